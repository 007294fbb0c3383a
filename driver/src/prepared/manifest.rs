use howdah_proto::settings::{DataSettings, Pipeline};
use serde::{Deserialize, Serialize};

use super::{PreparedError, ShardEntry};
use crate::snapshot::is_fitted;

/// The name of the file that makes a prepared set whole.
pub const MANIFEST: &str = "manifest.json";
/// What a manifest says that it is.
const FORMAT: &str = "howdah prepared set";
const VERSION: u32 = 1;

/// What a prepared set has: the file that is written last and makes it whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// That it is such a manifest.
    pub format: String,
    /// The version of this format.
    pub version: u32,
    /// The version of the program that wrote it.
    pub howdah: String,
    /// What its shards say that they are of, as hexadecimal digits.
    pub set: String,
    /// Where the pictures were.
    pub data: DataSettings,
    /// What the pipeline was called: a preset, or a file.
    pub pipeline_name: String,
    /// The pipeline as it was wanted.
    pub pipeline: Pipeline,
    /// The pipeline with the parameters that were found from the training pictures, if any were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted: Option<Pipeline>,
    /// What decided the order of the pictures, their views, and what operators were fitted to.
    pub seed: u64,
    /// The fraction of the training pictures that are for validation, if any are.
    pub validation_fraction: Option<f64>,
    /// The hash of the pictures.
    pub fingerprint: String,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// The training pictures: those numbered from 0 on.
    pub train: RoleSummary,
    /// Those for validation, which follow them.
    pub validation: RoleSummary,
    /// The held-out ones, which come last.
    pub test: RoleSummary,
    /// The pictures that could not be used.
    pub left_out: Vec<LeftOut>,
    /// The shards, in the order of their pictures.
    pub shards: Vec<ShardEntry>,
}

/// The pictures of a role.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSummary {
    /// How many were listed of each class.
    pub listed: Vec<u64>,
    /// How many of them can be used.
    pub usable: Vec<u64>,
    /// The share of each class among these.
    pub balance: Vec<f64>,
    /// The mean of all their values, as they are in the shards.
    pub mean: f64,
    /// The standard deviation of all their values.
    pub deviation: f64,
}

impl RoleSummary {
    /// How many were listed.
    pub fn pictures(&self) -> u64 {
        self.listed.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// A picture that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Its number among all pictures; absent if it could not even be listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<u64>,
    /// What it is called.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl Manifest {
    /// The version that this program writes.
    pub const VERSION: u32 = VERSION;
    /// What a manifest says that it is.
    pub const FORMAT: &str = FORMAT;

    /// Reads a manifest and checks that it makes sense in itself; none if it is the manifest of something else.
    ///
    /// # Errors
    /// [`PreparedError::Manifest`] or [`PreparedError::Version`], naming `file`.
    pub fn read(file: &str, content: &[u8]) -> Result<Option<Self>, PreparedError> {
        #[derive(Deserialize)]
        struct Start {
            format: String,
            version: u64,
        }
        let unfit = |reason: String| PreparedError::Manifest { file: file.to_owned(), reason };
        let Ok(start) = serde_json::from_slice::<Start>(content) else { return Ok(None) };
        if start.format != FORMAT {
            return Ok(None);
        }
        if start.version != u64::from(VERSION) {
            return Err(PreparedError::Version { file: file.to_owned(), version: start.version });
        }
        let manifest: Self = serde_json::from_slice(content).map_err(|error| unfit(error.to_string()))?;
        manifest.check().map_err(unfit)?;
        Ok(Some(manifest))
    }

    fn check(&self) -> Result<(), String> {
        let classes = self.classes.len();
        if classes < 2 {
            return Err(format!("it has {classes} classes"));
        }
        if self.set.len() != 32 || !self.set.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("`{}` is no id of a set", self.set));
        }
        if self.fitted.as_ref().is_some_and(|fitted| !is_fitted(fitted, &self.pipeline)) {
            return Err("its fitted pipeline is another than the one that was wanted".to_owned());
        }
        let roles = [&self.train, &self.validation, &self.test];
        if roles.iter().any(|role| role.listed.len() != classes || role.usable.len() != classes) {
            return Err("its counts are not those of its classes".to_owned());
        }
        let pictures = roles.iter().fold(0, |sum: u64, role| sum.saturating_add(role.pictures()));
        if pictures > u64::from(u32::MAX) {
            return Err(format!("it has {pictures} pictures"));
        }
        let fraction = self.validation_fraction;
        if fraction.is_some_and(|fraction| !(fraction > 0.0 && fraction < 1.0)) {
            return Err("its validation fraction is not between 0 and 1".to_owned());
        }
        let mut next = 0;
        for shard in &self.shards {
            shard.check(classes)?;
            if shard.first < next || shard.last >= pictures {
                return Err(format!("{} has pictures of another shard, or none that is there", shard.file));
            }
            next = shard.last + 1;
        }
        let left_out: Vec<u64> = self.left_out.iter().filter_map(|left| left.picture).collect();
        if !left_out.is_sorted_by(|a, b| a < b) || left_out.last().is_some_and(|last| *last >= pictures) {
            return Err("the pictures that it leaves out are not in order".to_owned());
        }
        let there = self.shards.iter().fold(0, |sum: u64, shard| sum.saturating_add(shard.pictures()));
        if there + left_out.len() as u64 != pictures {
            return Err(format!(
                "its shards have {there} of {pictures} pictures, and {} are left out",
                left_out.len()
            ));
        }
        if self.shards.windows(2).any(|pair| pair[0].row != pair[1].row) {
            return Err("its shards have rows of several kinds".to_owned());
        }
        Ok(())
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.saturating_add(shard.bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use howdah_executor::{
        prepared::ShardInfo,
        rdd::{RowKind, SamplesHeader},
    };
    use howdah_proto::settings::DataFormat;

    use super::*;

    /// Of two classes: six training pictures, of which one is left out, and two held-out ones.
    pub(crate) fn manifest() -> Manifest {
        let role = |listed: [u64; 2], usable: [u64; 2]| RoleSummary {
            listed: listed.to_vec(),
            usable: usable.to_vec(),
            balance: vec![0.5, 0.5],
            mean: 1.0,
            deviation: 2.0,
        };
        let shard = |file: &str, partition, classes: [u64; 2], keys| {
            let kind = RowKind::Features(4);
            let header = SamplesHeader { pictures: classes.iter().sum(), views: 1, kind };
            let info = ShardInfo { header, keys, checksum: 0x1234_abcd };
            ShardEntry::new(file.to_owned(), partition, classes.to_vec(), &info)
        };
        Manifest {
            format: FORMAT.to_owned(),
            version: VERSION,
            howdah: "0.1.0".to_owned(),
            set: "00112233445566778899aabbccddeeff".to_owned(),
            data: DataSettings::Folder {
                train: "/pictures".into(),
                test: None,
                test_fraction: 0.25,
                classes: BTreeMap::new(),
                format: DataFormat::Auto,
            },
            pipeline_name: "seed".to_owned(),
            pipeline: Pipeline::new(Vec::new(), Vec::new()),
            fitted: None,
            seed: 3,
            validation_fraction: None,
            fingerprint: "ab".to_owned(),
            classes: vec!["cat".to_owned(), "dog".to_owned()],
            train: role([3, 3], [3, 2]),
            validation: role([0, 0], [0, 0]),
            test: role([1, 1], [1, 1]),
            left_out: vec![LeftOut { picture: Some(3), path: "d.jpg".to_owned(), reason: "torn".to_owned() }],
            shards: vec![
                shard("00000-1-0000.samples", 0, [1, 2], 0..=2),
                shard("00001-1-0000.samples", 1, [2, 0], 4..=5),
                shard("00002-2-0000.samples", 2, [1, 1], 6..=7),
            ],
        }
    }

    fn read(manifest: &Manifest) -> Result<Option<Manifest>, String> {
        let content = serde_json::to_vec(manifest).unwrap();
        Manifest::read("/set/manifest.json", &content).map_err(|error| error.to_string())
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        assert_eq!(read(&manifest()), Ok(Some(manifest())));
        assert_eq!(manifest().shards[0].info().unwrap().checksum, 0x1234_abcd);
        assert_eq!(manifest().bytes(), manifest().shards.iter().map(|shard| shard.bytes).sum::<u64>());
    }

    #[test]
    fn a_file_of_that_name_that_is_something_else_is_none() {
        for content in
            ["{", "[1]", r#"{"name": "my app", "version": 3}"#, r#"{"format": "tar", "version": 1}"#]
        {
            assert_eq!(Manifest::read("m", content.as_bytes()), Ok(None), "{content}");
        }
    }

    #[test]
    fn a_manifest_that_contradicts_itself_is_refused_with_the_file_and_what_is_wrong() {
        type Break<'a> = &'a dyn Fn(&mut Manifest);
        let broken: [(&str, Break); 11] = [
            ("has version 2", &|it| it.version = 2),
            ("1 classes", &|it| it.classes.truncate(1)),
            ("counts are not", &|it| it.test.usable.truncate(1)),
            ("`../x.samples` is no name", &|it| it.shards[0].file = "../x.samples".to_owned()),
            ("checksum of 00001-1-0000.samples", &|it| it.shards[1].crc32 = "+1234567".to_owned()),
            ("00000-1-0000.samples can't have 9 bytes", &|it| it.shards[0].bytes = 9),
            ("00001-1-0000.samples has pictures of another", &|it| it.shards[1].first = 2),
            ("has pictures of another shard", &|it| it.shards[2].last = 8),
            ("not in order", &|it| it.left_out[0].picture = Some(99)),
            ("7 of 8 pictures, and 0 are left out", &|it| it.left_out.clear()),
            ("validation fraction", &|it| it.validation_fraction = Some(1.0)),
        ];
        for (what, change) in broken {
            let mut manifest = manifest();
            change(&mut manifest);
            let error = read(&manifest).unwrap_err();
            assert!(error.contains(what) && error.contains("/set/manifest.json"), "{error}");
        }
    }
}
