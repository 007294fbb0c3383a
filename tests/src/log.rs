//! What a run leaves behind, read back.

use std::{fs, path::Path};

use howdah_proto::event::{Event, JobReport, Recorded};

/// Reads the event log in the output folder of a run.
///
/// # Panics
/// It isn't there, or a line is no event.
pub fn events(output: &Path) -> Vec<Event> {
    let path = output.join("events.jsonl");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let event = |line: &str| serde_json::from_str::<Recorded>(line).expect("a line is an event").event;
    text.lines().map(event).collect()
}

/// Finds the report that the events of a job end with.
///
/// # Panics
/// The job did not end well.
pub fn report(events: &[Event]) -> &JobReport {
    match events.last() {
        Some(Event::JobFinished(report)) => report,
        last => panic!("the job did not end well: {last:?}"),
    }
}

/// Checks a job whose every step pushed ones: each weight of each shard must be the number of batches.
///
/// # Panics
/// A batch counted twice, or not at all.
pub fn assert_counted_exactly_once(report: &JobReport) {
    assert!(report.batches > 0 && !report.shards.is_empty(), "{report:?}");
    for shard in &report.shards {
        assert_eq!(shard.counted, Some((report.batches, report.batches)), "{report:?}");
        assert_eq!(shard.batches_applied, report.batches, "{report:?}");
    }
}
