use howdah_proto::settings::SnapshotSettings;

use crate::{
    snapshot::{Found, SnapshotError, same_place},
    train::{JobCommand, TrainJob, job::Phase},
};

impl TrainJob {
    /// What the job does first. Where it has no snapshots yet, another run may have some, or an earlier part of its own.
    pub(in crate::train) fn first(&self) -> JobCommand {
        let resumed = self.settings.resume.as_deref();
        match &self.settings.snapshots {
            Some(SnapshotSettings { location, .. }) if resumed.is_none_or(|at| !same_place(at, location)) => {
                JobCommand::FindSnapshots(location.clone())
            }
            _ => self.read_or_list(),
        }
    }

    /// Where the job goes on from, if it does.
    pub(in crate::train) fn goes_on_from(&self) -> Option<&str> {
        let own = self.settings.snapshots.as_ref().filter(|snapshots| snapshots.goes_on);
        self.settings.resume.as_deref().or(own.map(|snapshots| snapshots.location.as_str()))
    }

    /// Begins where an earlier run was, or with the pictures.
    fn read_or_list(&self) -> JobCommand {
        match &self.settings.resume {
            Some(location) => JobCommand::ReadSnapshot(location.clone()),
            None => JobCommand::ListDataset,
        }
    }

    /// It is known what there is where the job's snapshots go, or it can't be.
    ///
    /// In one place, the snapshots of two runs are told apart by nothing but their numbers: the highest is gone on with,
    /// whosever it is.
    pub fn on_snapshots_found(&mut self, found: Result<Found, SnapshotError>) -> Vec<JobCommand> {
        if self.phase != Phase::Listing {
            return Vec::new();
        }
        match found {
            Ok(Found { has_whole: false, last }) => {
                self.saves.last = last;
                vec![self.read_or_list()]
            }
            Ok(Found { has_whole: true, .. }) => {
                let Some(SnapshotSettings { location: place, goes_on, .. }) = &self.settings.snapshots else {
                    return Vec::new();
                };
                if *goes_on {
                    return vec![JobCommand::ReadSnapshot(place.clone())];
                }
                let error = format!("there are snapshots already in {place}");
                let hint =
                    format!("name another place in --snapshots, or go on with their run by --resume {place}");
                self.refuse(error, Some(hint))
            }
            Err(error) => {
                let error = format!("can't look for snapshots that are there already: {error}");
                self.refuse(error, Some("--snapshots takes a place that the driver reaches".to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::{JobId, SnapshotId, event::StageKind, settings::TrainSettings};

    use super::*;
    use crate::{
        scheduler::Millis,
        train::{
            Ending,
            fixture::{TRAIN_1, cluster, computed, dataset, settings, snapshot, trained},
        },
    };

    /// A job whose snapshots go to `/srv/snap`, and what it does first.
    fn job(resume: Option<&str>) -> (TrainJob, Vec<JobCommand>) {
        begin(resume, false)
    }

    fn begin(resume: Option<&str>, goes_on: bool) -> (TrainJob, Vec<JobCommand>) {
        let location = "/srv/snap".to_owned();
        let snapshots = Some(SnapshotSettings { location, every_seconds: 1, goes_on });
        let resume = resume.map(str::to_owned);
        TrainJob::new(JobId(1), TrainSettings { snapshots, resume, ..settings(3) }, Millis(0))
    }

    fn find() -> Vec<JobCommand> {
        vec![JobCommand::FindSnapshots("/srv/snap".to_owned())]
    }

    fn partial(last: u64) -> Result<Found, SnapshotError> {
        Ok(Found { has_whole: false, last: SnapshotId(last) })
    }

    #[test]
    fn snapshots_are_numbered_after_what_is_left_of_another_run() {
        let (mut job, first) = job(None);
        assert_eq!(first, find());
        assert_eq!(job.on_snapshots_found(partial(7)), [JobCommand::ListDataset]);
        job.on_dataset(Ok(dataset(20, 0)), &cluster(), Millis(1_000));
        // What comes late changes nothing.
        assert_eq!(job.on_snapshots_found(partial(9)), []);
        job.do_stage(StageKind::Prepare, &[0, 1], &computed(10, 0), Millis(2_000));
        job.make_shards(Millis(2_000));
        let done = job.do_stage(TRAIN_1, &[0, 1], &trained(10, 10), Millis(3_000));
        let taken = snapshot(&job.close(&done, 1, Millis(3_000)));
        assert_eq!(taken.map(|manifest| manifest.snapshot), Some(SnapshotId(8)));
    }

    #[test]
    fn a_place_with_snapshots_is_refused_by_name_and_so_is_one_that_can_not_be_looked_at() {
        let refused = |resume: Option<&str>, found| {
            let (mut job, first) = job(resume);
            assert_eq!(first, find());
            match &job.on_snapshots_found(found)[..] {
                [JobCommand::End(ending)] => match &**ending {
                    Ending::Refused { error, hint } => (error.clone(), hint.clone().unwrap_or_default()),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        };
        for resume in [None, Some("/srv/other")] {
            let (error, hint) = refused(resume, Ok(Found { has_whole: true, last: SnapshotId(37) }));
            assert_eq!(error, "there are snapshots already in /srv/snap");
            assert!(hint.ends_with("--resume /srv/snap"), "{hint}");
        }
        let denied = SnapshotError::Store { file: "/srv/snap".to_owned(), reason: "denied".to_owned() };
        assert!(refused(None, Err(denied)).0.ends_with("/srv/snap: denied"));
    }

    #[test]
    fn a_place_is_not_looked_at_by_the_run_that_goes_on_from_it() {
        let read = |place: &str| vec![JobCommand::ReadSnapshot(place.to_owned())];
        for same in ["/srv/snap", "/srv/snap/", "file:///srv/snap"] {
            assert_eq!(job(Some(same)).1, read(same));
        }
        let (mut job, first) = job(Some("/srv/other"));
        assert_eq!(first, find());
        assert_eq!(job.on_snapshots_found(partial(0)), read("/srv/other"));
    }

    #[test]
    fn a_job_that_goes_on_if_it_can_reads_what_is_whole_and_else_begins() {
        let found = |found| {
            let (mut job, first) = begin(None, true);
            assert_eq!(first, find());
            assert_eq!(job.goes_on_from(), Some("/srv/snap"));
            (job.on_snapshots_found(found), job.saves.last)
        };
        assert_eq!(found(partial(7)), (vec![JobCommand::ListDataset], SnapshotId(7)));
        let (commands, _) = found(Ok(Found { has_whole: true, last: SnapshotId(7) }));
        assert_eq!(commands, [JobCommand::ReadSnapshot("/srv/snap".to_owned())]);
    }
}
