use howdah_proto::settings::{Mode, Monitor, PushEvery, Validation};

use super::*;
use crate::train::fixture::{dataset, settings};

pub(crate) fn manifest() -> Manifest {
    let file = |number: u64| SavedFile {
        file: format!("shard-{number}"),
        start: number * 10,
        len: 10,
        bytes: 50,
        checksum: "ab".repeat(32),
    };
    Manifest {
        version: VERSION,
        job: JobId(1),
        snapshot: SnapshotId(3),
        settings: settings(2),
        fingerprint: "f".to_owned(),
        classes: vec!["cat".to_owned()],
        fitted: None,
        features: 4,
        partitions: 2,
        samples: Vec::new(),
        replicas: 2,
        epoch: Epoch(2),
        round: Round(0),
        retired: Epoch(0),
        marks: Vec::new(),
        progress: Progress::default(),
        shards: vec![file(0), file(1)],
    }
}

#[test]
fn a_manifest_is_read_as_it_was_written() {
    let text = serde_json::to_vec(&manifest()).unwrap();
    assert_eq!(Manifest::read("m", &text), Ok(manifest()));
    assert_eq!(pb::SavedShard::from(&manifest().shards[1]).checksum, vec![0xab; 32]);
}

#[test]
fn a_manifest_that_does_not_say_how_many_pictures_can_be_used_is_read() {
    let mut older = serde_json::to_value(manifest()).unwrap();
    assert!(older.as_object_mut().unwrap().remove("samples").is_some());
    assert_eq!(Manifest::read("m", older.to_string().as_bytes()), Ok(manifest()));
}

/// A pipeline that is not that of the settings.
fn other_pipeline() -> Pipeline {
    let spec = OperatorSpec { name: "flip".to_owned(), version: 1, params: serde_json::Value::Null };
    Pipeline::new(vec![spec], Vec::new())
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused_with_its_name() {
    type Change = fn(&mut Manifest);
    let wrong: [(Change, &str); 7] = [
        (|manifest| manifest.version = 1, "its version is 1, and this program reads 2"),
        (|manifest| manifest.shards.clear(), "it has 0 shards"),
        (|manifest| manifest.shards[1].start = 11, "should begin at value 10"),
        (|manifest| manifest.shards[0].file = "../x".to_owned(), "no name of a file"),
        (|manifest| manifest.shards[0].checksum = "abc".to_owned(), "the checksum of shard-0"),
        (|manifest| manifest.epoch = Epoch(0), "counted from 1"),
        (|manifest| manifest.fitted = Some(other_pipeline()), "its fitted pipeline is another"),
    ];
    for (change, text) in wrong {
        let mut manifest = manifest();
        change(&mut manifest);
        let error = Manifest::read("x/manifest.json", &serde_json::to_vec(&manifest).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("x/manifest.json is no manifest"), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(Manifest::read("m", b"{").is_err());
}

#[test]
fn a_job_with_other_settings_is_refused_by_the_name_of_the_setting() {
    let unfit = |change: fn(&mut TrainSettings)| {
        let mut settings = settings(2);
        change(&mut settings);
        manifest().fits(&settings).err().map(|error| error.to_string())
    };
    assert_eq!(unfit(|settings| settings.epochs = 9), None);
    assert_eq!(unfit(|settings| settings.shards = Some(7)), None);
    assert_eq!(unfit(|settings| settings.shard_copies = 2), None);
    let named = |error: Option<String>, name: &str| assert!(error.is_some_and(|error| error.contains(name)));
    named(
        unfit(|settings| settings.epochs = 1),
        "the run has got to epoch 2 already, and is to end with epoch 1",
    );
    named(unfit(|settings| settings.seed = 9), "another seed (1, and now 9)");
    named(unfit(|settings| settings.batch = 9), "another batch");
    named(unfit(|settings| settings.partitions = Some(3)), "another number of partitions");
    // Ten were asked for both times, and two came of it.
    let asked = Some(10);
    let then = Manifest { settings: TrainSettings { partitions: asked, ..settings(2) }, ..manifest() };
    assert_eq!(then.fits(&then.settings), Ok(()));
    let validated = unfit(|settings| {
        let validation = Validation { fraction: 0.2, monitor: Monitor::Loss, patience: None };
        settings.validation = Some(validation);
    });
    named(validated, "another validation fraction");
    named(unfit(|settings| settings.learning.average = Some(0.99)), "another average (null, and now 0.99)");
    named(unfit(|settings| settings.mode = Mode::Hogwild { push_every: PushEvery::Epoch }), "another mode");
}

#[test]
fn the_fingerprint_changes_with_a_picture_s_name_size_and_label() {
    let files = dataset(4, 0).train;
    let mut other = files.clone();
    other[1].label = 0;
    let mut larger = files.clone();
    larger[3].bytes += 1;
    let prints = [&files, &other, &larger].map(|files| fingerprint(files));
    assert!(prints[0] != prints[1] && prints[1] != prints[2] && prints[0] != prints[2]);
    assert_eq!(fingerprint(&files), prints[0]);
}
