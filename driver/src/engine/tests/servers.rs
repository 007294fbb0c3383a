//! Parameter servers as the engine and executors see them: shards that keep marks, rounds, tags and snapshots
//! faithfully, and that die with all they have.

use std::collections::BTreeMap;

use howdah_proto::{
    AttemptId, Epoch, JobId, Partition, ShardIndex, SnapshotId, Step, event::ShardReport, fence::TrainTask,
    pb,
};
use pb::{attempt_failed::Kind, task_spec::Work};

use super::content::Content;
use crate::{
    engine::{AskRequest, IoRequest, IoResult},
    snapshot::{Found, Location, Manifest, Newest, SavedFile, SnapshotError, retirable},
    train::{
        Answer, Collected, CutKind, MakeShards, Origin, ShardFault, ShardIo, SnapshotFault, SnapshotRequest,
    },
};

#[derive(Debug, Clone)]
struct Shard {
    term: u64,
    is_primary: bool,
    standby: Option<String>,
    content: Content,
}

/// All parameter servers that run, by their addresses, and the snapshots on disk.
#[derive(Debug, Default)]
pub(super) struct Servers {
    running: BTreeMap<String, BTreeMap<(JobId, u32), Shard>>,
    disk: BTreeMap<String, Content>,
    /// What a snapshot has that is planned and not yet written.
    planned: BTreeMap<(JobId, SnapshotId), (Content, Manifest)>,
    /// What a snapshot has that all shards have written, and that has no manifest yet.
    written: BTreeMap<(JobId, SnapshotId), (Content, Manifest)>,
    pub(super) manifests: Vec<Manifest>,
    /// How many shards were dropped because others had replaced them.
    pub(super) replaced: usize,
}

type Made<T> = Result<T, String>;

impl Servers {
    pub(super) fn start(&mut self, address: &str) {
        self.running.insert(address.to_owned(), BTreeMap::new());
    }

    pub(super) fn is_running(&self, address: &str) -> bool {
        self.running.contains_key(address)
    }

    pub(super) fn kill(&mut self, address: &str) {
        self.running.remove(address);
    }

    /// Takes over the snapshots of another cluster.
    pub(super) fn take_disk(&mut self, other: Self) {
        (self.disk, self.manifests) = (other.disk, other.manifests);
    }

    fn found(&self, location: &str) -> Found {
        let is_there = |manifest: &&Manifest| {
            manifest.settings.snapshots.as_ref().is_some_and(|settings| settings.location == location)
        };
        let last = self.manifests.iter().filter(is_there).map(|manifest| manifest.snapshot).max();
        Found { has_whole: last.is_some(), last: last.unwrap_or_default() }
    }

    fn newest(&self, location: &str) -> Result<Newest, SnapshotError> {
        let none = || SnapshotError::None(location.to_owned());
        let manifest = self.manifests.last().cloned().ok_or_else(none)?;
        let folder = Location::parse(location)?.snapshot(manifest.snapshot);
        let last = manifest.snapshot;
        Ok(Newest { manifest, folder, last })
    }

    fn drop_replaced(&mut self, address: &str, job: JobId, places: &[pb::ShardPlace]) {
        let Some(shards) = self.running.get_mut(address) else { return };
        let oldest = places.iter().map(|place| place.term).min().unwrap();
        shards.retain(|(of, number), shard| {
            let served =
                places.iter().find(|place| place.shard == *number).map_or(oldest, |place| place.term);
            let stays = *of != job || shard.term >= served;
            self.replaced += usize::from(!stays);
            stays
        });
    }

    pub(super) fn drop_job(&mut self, address: &str, job: JobId) {
        if let Some(shards) = self.running.get_mut(address) {
            shards.retain(|(of, _), _| *of != job);
        }
    }

    fn primary(&mut self, job: JobId, place: &pb::ShardPlace) -> Made<&mut Shard> {
        let shard =
            self.running.get_mut(&place.address).and_then(|shards| shards.get_mut(&(job, place.shard)));
        shard.filter(|shard| shard.is_primary && shard.term == place.term).ok_or_else(|| "moved".to_owned())
    }

    /// Changes a shard and its standby; nothing is acknowledged if the standby can't be reached.
    fn change(
        &mut self,
        job: JobId,
        place: &pb::ShardPlace,
        change: impl Fn(&mut Content) -> Result<(), Kind>,
    ) -> Result<(), Kind> {
        let primary = self.primary(job, place).map_err(|_| Kind::ShardUnavailable)?;
        let standby = primary.standby.clone();
        change(&mut primary.content)?;
        let Some(address) = standby else { return Ok(()) };
        let standby = self.running.get_mut(&address).and_then(|shards| shards.get_mut(&(job, place.shard)));
        match standby.filter(|standby| !standby.is_primary) {
            Some(standby) => change(&mut standby.content),
            None => Err(Kind::ShardUnavailable),
        }
    }

    /// Does the exchange of a task with the shards, up to so many steps of it.
    pub(super) fn work(
        &mut self,
        attempt: AttemptId,
        task: &pb::TaskSpec,
        places: &[pb::ShardPlace],
        batch: u32,
        most: u64,
    ) -> Result<(), Kind> {
        let job = attempt.job;
        match task.work.clone().unwrap() {
            Work::Train(work) => {
                let task = TrainTask { epoch: Epoch(work.epoch), partition: Partition(task.partition) };
                let to = howdah_executor::task::steps(work.samples, batch).min(most);
                for place in places {
                    self.change(job, place, |shard| shard.push(task, attempt.attempt.0, to))?;
                }
            }
            Work::Round(work) if most == u64::MAX => {
                let round = work.round.unwrap();
                let steps = work.last_step - work.first_step + 1;
                for place in places {
                    self.change(job, place, |shard| shard.contribute(round, task.partition, steps))?;
                }
            }
            Work::Evaluate(work) if most == u64::MAX => {
                for place in places {
                    let shard = self.primary(job, place).map_err(|_| Kind::ShardUnavailable)?;
                    assert!(shard.content.tags.contains(&work.tag), "tag {} is not kept", work.tag);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn make(&mut self, job: JobId, make: MakeShards) -> Vec<IoResult> {
        let content = match &make.origin {
            Origin::Initial { .. } => Content::default(),
            Origin::Snapshot { folder, .. } => self.disk[folder].clone(),
        };
        let made = make.shards.iter().map(|(op, place)| {
            let shard = ShardIndex(place.shard);
            let Some(shards) = self.running.get_mut(&place.address) else {
                return IoResult::ShardDone {
                    shard,
                    op: *op,
                    result: Err(ShardFault::Passing("it is gone".to_owned())),
                };
            };
            let mut content = content.clone();
            // No snapshot has tags.
            content.tags.clear();
            let made = Shard { term: place.term, is_primary: true, standby: None, content };
            if let Some(old) = shards.get(&(job, place.shard)) {
                assert_ne!(old.term, place.term, "a term is given twice");
                if old.term > place.term {
                    // A request that was given up comes after the one that took its place.
                    return IoResult::ShardDone {
                        shard,
                        op: *op,
                        result: Err(ShardFault::Passing("moved".to_owned())),
                    };
                }
            }
            shards.insert((job, place.shard), made);
            IoResult::ShardDone { shard, op: *op, result: Ok(()) }
        });
        made.collect()
    }

    pub(super) fn answer(&mut self, job: JobId, request: IoRequest) -> Vec<IoResult> {
        match request {
            IoRequest::FindSnapshots { location } => {
                vec![IoResult::SnapshotsFound(Ok(self.found(&location)))]
            }
            IoRequest::ReadSnapshot { location } => {
                vec![IoResult::SnapshotRead(Box::new(self.newest(&location)))]
            }
            IoRequest::Shard(request) => vec![self.ask_one(job, request)],
            IoRequest::Ask { ticket, places, question } => {
                let answer = self.ask(job, &places, question);
                vec![IoResult::Answer(ticket, answer.map(|answer| (answer, Some("model".into()))))]
            }
            IoRequest::Untag { places, tag } => {
                for place in &places {
                    let _ = self.change(job, place, |shard| {
                        shard.tags.remove(&tag);
                        Ok(())
                    });
                }
                Vec::new()
            }
            IoRequest::ForgetReplicas { .. } => Vec::new(),
            IoRequest::DropReplaced { servers, places } => {
                servers.iter().for_each(|server| self.drop_replaced(server, job, &places));
                Vec::new()
            }
            other => panic!("{other:?}"),
        }
    }

    fn ask_one(&mut self, job: JobId, request: ShardIo) -> IoResult {
        let (op, place, result) = match request {
            ShardIo::Promote { op, place } => {
                let shards = self.running.get_mut(&place.address);
                let found = shards.and_then(|shards| shards.get_mut(&(job, place.shard)));
                let older = found.filter(|shard| shard.term < place.term);
                let promoted = older.ok_or_else(|| "it is gone or moved".to_owned()).map(|shard| {
                    (shard.is_primary, shard.term, shard.standby) = (true, place.term, None);
                });
                (op, place, promoted)
            }
            ShardIo::Attach { op, place, standby } => {
                let attached = self.attach(job, &place, &standby);
                (op, place, attached)
            }
            ShardIo::Check { op, place, standby } => {
                let follows = self.primary(job, &place).and_then(|primary| {
                    let is_it = primary.standby.as_deref() == Some(standby.as_str());
                    is_it.then_some(()).ok_or_else(|| "it is another one".to_owned())
                });
                (op, place, follows)
            }
            ShardIo::Detach { op, place } => {
                let detached = self.primary(job, &place).map(|shard| shard.standby = None);
                (op, place, detached)
            }
        };
        let fault = match self.running.get(&place.address) {
            None => ShardFault::Unanswered,
            Some(shards) if shards.contains_key(&(job, place.shard)) => ShardFault::Passing,
            Some(_) => ShardFault::Absent,
        };
        let result = result.map_err(fault);
        IoResult::ShardDone { shard: ShardIndex(place.shard), op, result }
    }

    fn attach(&mut self, job: JobId, place: &pb::ShardPlace, standby: &str) -> Made<()> {
        if !self.running.contains_key(standby) {
            return Err("the standby is gone".to_owned());
        }
        let newer = |shard: &Shard| shard.term > place.term || (shard.is_primary && shard.term == place.term);
        if self.running[standby].get(&(job, place.shard)).is_some_and(newer) {
            return Err("moved".to_owned());
        }
        let primary = self.primary(job, place)?;
        primary.standby = Some(standby.to_owned());
        let copy = Shard { is_primary: false, standby: None, ..primary.clone() };
        self.running.get_mut(standby).unwrap().insert((job, place.shard), copy);
        Ok(())
    }

    fn ask(&mut self, job: JobId, places: &[pb::ShardPlace], question: AskRequest) -> Made<Answer> {
        let contents: Vec<Content> = places
            .iter()
            .map(|place| self.primary(job, place).map(|shard| shard.content.clone()))
            .collect::<Result<_, _>>()?;
        Ok(match question {
            AskRequest::Marks => Answer::Marks(contents.iter().map(Content::marks).collect()),
            AskRequest::Tag(tag) => {
                for place in places {
                    let tagged = self.change(job, place, |shard| {
                        shard.tags.insert(tag);
                        Ok(())
                    });
                    tagged.map_err(|_| "moved".to_owned())?;
                }
                Answer::Tagged
            }
            AskRequest::Collect(request) => {
                assert!(contents.iter().all(|content| content.tags.contains(&request.tag)));
                let report = |content: &Content| ShardReport {
                    batches_applied: content.steps,
                    ..ShardReport::default()
                };
                Answer::Collected(Collected { shards: contents.iter().map(report).collect() })
            }
        })
    }

    /// Plans a snapshot when it is first asked for it, has the shards write it when it is asked again, and writes the
    /// manifest when it is asked once more, whatever has become of the shards.
    pub(super) fn snapshot(
        &mut self,
        job: JobId,
        request: SnapshotRequest,
    ) -> (Vec<IoResult>, Option<SnapshotRequest>) {
        let id = request.manifest.snapshot;
        if let Some((content, manifest)) = self.written.remove(&(job, id)) {
            let folder = Location::parse(&request.location).unwrap().snapshot(id);
            self.disk.insert(folder, content);
            self.manifests.push(manifest.clone());
            return (vec![IoResult::SnapshotTaken(id, Box::new(Ok(manifest)))], None);
        }
        let planned = self.planned.remove(&(job, id));
        let retired = match &planned {
            Some(_) => Ok(Epoch(0)),
            None => self.retire(job, &request),
        };
        let retired_and_contents = retired.and_then(|retired| Ok((retired, self.contents(job, &request)?)));
        let (retired, contents) = match retired_and_contents {
            Ok(both) => both,
            Err(error) => return (vec![IoResult::SnapshotTaken(id, Box::new(Err(error)))], None),
        };
        if let Some(planned) = planned {
            self.written.insert((job, id), planned);
            return (Vec::new(), Some(request));
        }
        let content = match request.cut {
            CutKind::Quiet => {
                assert!(contents.iter().all(|content| content.contributions.is_empty()));
                let alike = |content: &Content| {
                    (content.marks.clone(), content.retired, content.steps, content.round)
                };
                assert!(contents.iter().all(|content| alike(content) == alike(&contents[0])));
                contents[0].clone()
            }
            CutKind::Ahead(_) => Content::common(&contents),
        };
        let file = |place: &pb::ShardPlace| SavedFile::new("shard".to_owned(), place, 1, &[0; 32]);
        let marks = content.marks.iter().map(|(task, mark)| (*task, Step(*mark))).collect();
        let shards = request.places.iter().map(file).collect();
        let manifest = Manifest { marks, shards, retired, ..request.manifest.clone() };
        self.planned.insert((job, id), (content, manifest));
        (vec![IoResult::SnapshotPlanned(id)], Some(request))
    }

    fn contents(&mut self, job: JobId, request: &SnapshotRequest) -> Made<Vec<Content>> {
        let content = |place| self.primary(job, place).map(|shard| shard.content.clone());
        request.places.iter().map(content).collect()
    }

    /// Has all shards forget the marks of the same epochs.
    fn retire(&mut self, job: JobId, request: &SnapshotRequest) -> Result<Epoch, SnapshotFault> {
        let marks: Vec<_> = self.contents(job, request)?.iter().map(Content::marks).collect();
        let none = BTreeMap::new();
        let in_rounds = request.manifest.settings.mode.in_rounds();
        let steps = if in_rounds { &none } else { &request.steps };
        let retired = retirable(&marks, steps, request.manifest.retired)?;
        for place in &request.places {
            // One whose standby can't be reached is found when it is written.
            let _ = self.change(job, place, |shard| {
                shard.retired = shard.retired.max(retired.0);
                shard.marks.retain(|task, _| task.epoch > retired);
                Ok(())
            });
        }
        Ok(retired)
    }
}
