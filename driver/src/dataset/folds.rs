use sha2::{Digest, Sha256};

use super::PictureFile;

/// Splits pictures into folds that differ by at most one picture of each class: within a class they are dealt out in the
/// order of a hash of their paths. Each fold keeps the order of the listing.
pub fn folds(files: Vec<PictureFile>, of: u32) -> Vec<Vec<PictureFile>> {
    let of = of.max(1) as usize;
    let mut order: Vec<(u32, [u8; 32], usize)> = files
        .iter()
        .enumerate()
        .map(|(place, file)| (file.label, Sha256::digest(file.relative.as_bytes()).into(), place))
        .collect();
    order.sort_unstable();
    let mut fold_of = vec![0; files.len()];
    // Dealt on from class to class, so that the remainders of small classes don't all fall on the first folds.
    for (rank, (.., place)) in order.into_iter().enumerate() {
        fold_of[place] = rank % of;
    }
    let mut folds = vec![Vec::new(); of];
    for (file, fold) in files.into_iter().zip(fold_of) {
        folds[fold].push(file);
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(count: usize) -> Vec<PictureFile> {
        let file = |index: usize| PictureFile {
            path: format!("/pictures/{index}.png").into(),
            relative: format!("{index}.png"),
            label: u32::from(index.is_multiple_of(3)),
            bytes: 1,
            modified_unix_ns: 0,
            part: None,
        };
        (0..count).map(file).collect()
    }

    #[test]
    fn every_picture_is_in_one_fold_and_each_fold_has_its_share_of_every_class() {
        let all = files(100);
        let folds = folds(all.clone(), 5);
        let mut together: Vec<PictureFile> = folds.concat();
        together.sort_by_key(|file| file.path.clone());
        let mut sorted = all.clone();
        sorted.sort_by_key(|file| file.path.clone());
        assert_eq!(together, sorted);
        for label in [0, 1] {
            let count = |files: &[PictureFile]| files.iter().filter(|file| file.label == label).count();
            let share = count(&all) / 5;
            assert!(folds.iter().all(|fold| (share..=share + 1).contains(&count(fold))), "{label}");
        }
        assert!(folds.iter().all(|fold| fold.len() == 20));
    }

    #[test]
    fn folds_depend_on_the_paths_alone() {
        let names = |files: Vec<PictureFile>| {
            let folds = folds(files, 4);
            let sorted = folds.into_iter().map(|fold| {
                let mut names: Vec<String> = fold.into_iter().map(|file| file.relative).collect();
                names.sort_unstable();
                names
            });
            sorted.collect::<Vec<_>>()
        };
        let reversed = files(50).into_iter().rev().collect();
        assert_eq!(names(files(50)), names(reversed));
    }
}
