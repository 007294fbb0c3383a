use super::{
    Fisher,
    descriptors::{Descriptors, LENGTH},
    fitted::Fitted,
    mixture::{Mixture, Sharing},
    projection::{self, PLACES, Projection},
};
use crate::{
    random::Random,
    rdd::{FitError, Packed, PictureView},
    vision::chance::Chance,
};

/// How many pictures are looked at.
pub(in crate::vision::features) const FITTED_PICTURES: u64 = 2_000;
/// How many descriptors are taken of them all.
const DESCRIPTORS: u64 = 100_000;
/// The most that are taken of one picture, where there are few.
const MOST_PER_PICTURE: u64 = 400;
/// Rounds of k-means, from which the mixture starts.
const ROUNDS_OF_MEANS: usize = 8;
/// Rounds of expectation maximisation.
const ROUNDS_OF_MIXTURE: usize = 15;
/// Numbers of a descriptor as it is kept: itself, and its place across and down.
const KEPT: usize = LENGTH + PLACES;
/// What numbers up to one are multiplied by to become 16 bits.
const FULL: f32 = 65_535.0;

/// Gathers descriptors of training pictures, and finds projection and mixture from them.
pub(in crate::vision::features) struct FisherFit {
    fisher: Fisher,
    descriptors: Descriptors,
    /// Rows of [`KEPT`] numbers, each from 0 to 1 in 16 bits.
    kept: Vec<u16>,
}

impl FisherFit {
    pub(super) fn new(fisher: Fisher) -> Self {
        let descriptors = Descriptors::new(fisher.cell);
        Self { fisher, descriptors, kept: Vec::new() }
    }

    /// Takes some descriptors of a picture, which ones is decided by `seed`; `pictures` is how many come together.
    pub(in crate::vision::features) fn gather(
        &mut self,
        picture: PictureView<'_>,
        seed: u64,
        pictures: u64,
    ) -> Result<(), String> {
        let (across, down) = self.descriptors.compute(picture)?;
        let mut chance = Chance::new(&[seed]);
        let all = (across * down) as u64;
        let taken = DESCRIPTORS.div_ceil(pictures.max(1)).min(MOST_PER_PICTURE).min(all);
        let (whole, values) = (|value: f32| (value * FULL + 0.5) as u16, self.descriptors.values());
        for _ in 0..taken {
            let drawn = (chance.next() % all) as usize;
            let descriptor = &values[drawn * LENGTH..(drawn + 1) * LENGTH];
            self.kept.extend(descriptor.iter().map(|&value| whole(value)));
            let along = |place: usize, all: usize| whole((place as f32 + 0.5) / all as f32);
            self.kept.extend([along(drawn % across, across), along(drawn / across, down)]);
        }
        Ok(())
    }

    /// What was gathered: little-endian numbers of 16 bits.
    pub(in crate::vision::features) fn summary(&self) -> Vec<u8> {
        self.kept.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    /// Adds what was gathered elsewhere.
    pub(in crate::vision::features) fn merge(&mut self, summary: &[u8]) -> Result<(), FitError> {
        let (numbers, rest) = summary.as_chunks::<2>();
        if !rest.is_empty() || !numbers.len().is_multiple_of(KEPT) {
            return Err(FitError::Summary(format!("{} bytes are no descriptors", summary.len())));
        }
        // About as many come as were asked for.
        if self.kept.len() + numbers.len() > 4 * DESCRIPTORS as usize * KEPT {
            return Err(FitError::Summary("there are more descriptors than were asked for".to_owned()));
        }
        self.kept.extend(numbers.iter().map(|&number| u16::from_le_bytes(number)));
        Ok(())
    }

    /// Finds projection and mixture.
    pub(in crate::vision::features) fn finish(&self, seed: u64) -> Result<Fisher, FitError> {
        let impossible = |reason: &str| FitError::Impossible(format!("fisher: {reason}"));
        let (dimensions, half) = (self.fisher.dimensions as usize, self.fisher.components as usize / 2);
        let count = self.kept.len() / KEPT;
        if count < 2 * half {
            let reason =
                format!("the training pictures give {count} descriptors, too few for {half} components");
            return Err(impossible(&reason));
        }
        let number = |&whole: &u16| f32::from(whole) / FULL;
        let descriptors: Vec<f32> =
            self.kept.chunks_exact(KEPT).flat_map(|row| row[..LENGTH].iter().map(number)).collect();
        let (mean, basis, mut signs) = projection::find(&descriptors, dimensions)
            .ok_or_else(|| impossible("the gradients of the training pictures vary too little"))?;
        // Mirroring changes the place across, and keeps that down.
        signs.extend([-1.0, 1.0]);
        let places = self.kept.chunks_exact(KEPT).map(|row| {
            let along = |place: &u16| projection::weighed(number(place));
            [along(&row[LENGTH]), along(&row[LENGTH + 1])]
        });
        let (mut scratch, mut rows) = (Vec::new(), Vec::new());
        let projection = Projection::new(&mean, &basis);
        projection.rows(&descriptors, places, &mut scratch, &mut rows).map_err(|error| impossible(&error))?;
        drop((descriptors, scratch));
        let mixture = fit_mixture(&rows, signs, half, seed).map_err(|error| impossible(&error))?;
        let packed = |values| Packed::new(values).ok_or_else(|| impossible("a number is not finite"));
        let fitted = Fitted {
            mean: packed(mean)?,
            basis: packed(basis)?,
            signs: packed(mixture.signs)?,
            means: packed(mixture.means)?,
            variances: packed(mixture.variances)?,
            weights: packed(mixture.weights)?,
        };
        fitted.validate(dimensions, 2 * half).map_err(FitError::Impossible)?;
        Ok(self.fisher.fitted_to(fitted))
    }
}

/// Fits a mixture of `half` components and their mirror images: k-means from rows drawn at random, then expectation
/// maximisation.
fn fit_mixture(rows: &[f32], signs: Vec<f32>, half: usize, seed: u64) -> Result<Mixture, String> {
    let values = signs.len();
    let row = Mixture::row(values);
    let mut drawn: Vec<usize> = (0..rows.len() / row).collect();
    Random::new(&[seed, half as u64]).shuffle(&mut drawn);
    let means = drawn.iter().take(half).flat_map(|&place| rows[place * row..][..values].iter().copied());
    let mut mixture = Mixture {
        means: means.collect(),
        variances: vec![1.0; half * values],
        weights: vec![1.0 / half as f32; half],
        signs,
    };
    for _ in 0..ROUNDS_OF_MEANS {
        mixture.improve(rows, Sharing::Hard)?;
    }
    for _ in 0..ROUNDS_OF_MIXTURE {
        mixture.improve(rows, Sharing::Soft)?;
    }
    Ok(mixture)
}
