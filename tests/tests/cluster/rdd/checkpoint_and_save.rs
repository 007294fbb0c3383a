//! Saved RDDs, after Spark's CheckpointSuite and FileSuite.

use std::{
    fs,
    path::{Path, PathBuf},
};

use howdah_driver::rdd::{Context, ContextError};
use howdah_tests::{
    behaviours,
    deadline::look_until,
    rdd::functions::{Double, Gate, ToPair, Traced, Trouble},
};

behaviours![
    what_is_saved_is_loaded_with_its_partitions_and_order,
    a_folder_that_exists_is_refused_and_left_alone,
    a_save_that_fails_leaves_nothing_behind,
    a_save_that_is_dropped_leaves_nothing_behind,
    a_damaged_file_is_refused_by_its_name,
    a_folder_that_is_no_saved_rdd_is_not_loaded,
    a_checkpoint_cuts_the_lineage,
];

async fn what_is_saved_is_loaded_with_its_partitions_and_order(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let sparse = context.range(0..10, 3).union(&context.parallelize(Vec::new(), 2));
    for (name, rdd) in [("sparse", sparse), ("none", context.empty())] {
        let path = folder.path().join(name);
        rdd.save(&path).await.unwrap();
        let loaded = context.load::<i64>(&path).await.unwrap();
        assert_eq!(loaded.partitions(), rdd.partitions());
        assert_eq!(loaded.collect().await.unwrap(), rdd.collect().await.unwrap());
    }
    let path = folder.path().join("groups");
    context.range(0..9, 2).map(ToPair(3)).group_by_key().save(&path).await.unwrap();
    let groups = context.load::<(i64, Vec<i64>)>(&path).await.unwrap();
    assert_eq!(groups.keys().distinct().count().await.unwrap(), 3);
}

async fn a_folder_that_exists_is_refused_and_left_alone(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers");
    context.range(0..5, 2).save(&path).await.unwrap();
    let error = context.range(5..9, 2).save(&path).await.unwrap_err();
    assert!(matches!(error, ContextError::Exists { .. }), "{error}");
    assert_eq!(context.load::<i64>(&path).await.unwrap().sum().await.unwrap(), 10);
}

async fn a_save_that_fails_leaves_nothing_behind(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers");
    let error = context.range(0..9, 3).map(Trouble::fatal(7)).save(&path).await.unwrap_err();
    assert!(error.to_string().contains("7 makes trouble"), "{error}");
    wait_until_empty(folder.path()).await;
    context.range(0..9, 3).save(&path).await.unwrap();
    assert_eq!(context.load::<i64>(&path).await.unwrap().count().await.unwrap(), 9);
}

async fn a_save_that_is_dropped_leaves_nothing_behind(context: Context) {
    let (folder, gates) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path().join("numbers");
    // The second partition is being written when the first one has been.
    let numbers = context.range(0..4, 2).map(Gate::on(gates.path(), 3));
    let saving = tokio::spawn(async move { numbers.save(&path).await });
    let (reached, staged) = (gates.path().to_owned(), folder.path().to_owned());
    let parts = move || {
        let staging = fs::read_dir(&staged).unwrap().next()?.unwrap().path();
        fs::read_dir(staging).ok()?.next()
    };
    let wait = tokio::task::spawn_blocking(move || {
        Gate::wait_for(&reached, 3, 1);
        look_until("a part that is written", parts).unwrap();
    });
    wait.await.unwrap();
    saving.abort();
    assert!(saving.await.unwrap_err().is_cancelled());
    Gate::open(gates.path(), 3);
    wait_until_empty(folder.path()).await;
}

async fn wait_until_empty(folder: &Path) {
    let folder = folder.to_owned();
    let is_empty = move || fs::read_dir(&folder).unwrap().next().is_none().then_some(());
    tokio::task::spawn_blocking(move || look_until("an empty folder", is_empty)).await.unwrap();
}

async fn a_damaged_file_is_refused_by_its_name(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers");
    context.range(0..9000, 2).save(&path).await.unwrap();
    let mut files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let part: PathBuf = files.find(|path| path.to_str().unwrap().contains("part-00001")).unwrap();
    let whole = fs::read(&part).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() - 1], b""] {
        fs::write(&part, damaged).unwrap();
        let loaded = context.load::<i64>(&path).await.unwrap();
        let error = loaded.sum().await.unwrap_err().to_string();
        assert!(error.contains("part-00001"), "{error}");
    }
    fs::write(&part, &whole).unwrap();
    assert_eq!(context.load::<i64>(&path).await.unwrap().count().await.unwrap(), 9000);
}

async fn a_folder_that_is_no_saved_rdd_is_not_loaded(context: Context) {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("nowhere")] {
        let error = context.load::<i64>(&path).await.unwrap_err();
        assert!(matches!(error, ContextError::Load { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

async fn a_checkpoint_cuts_the_lineage(context: Context) {
    let (folder, traces) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let numbers = context.range(0..100, 4).map_partitions(Traced::to(traces.path()));
    let after = numbers.map(Double);
    numbers.checkpoint(folder.path().join("numbers")).await.unwrap();
    assert_eq!(numbers.sum().await.unwrap(), 4950);
    assert_eq!(after.sum().await.unwrap(), 9900);
    assert_eq!(Traced::total(traces.path(), 4), 4);
    assert!(!after.explain().await.unwrap().contains("traced"));
}
