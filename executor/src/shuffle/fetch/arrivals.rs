use std::{collections::VecDeque, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    memory::Reservation,
    rdd::{
        Batch, RddError, Rows,
        batch::{FRAME_HEADER_BYTES, Frame},
    },
    shuffle::Workspace,
    store::ScratchFile,
};

/// Memory is reserved in steps.
const STEP_BYTES: u64 = 1 << 20;

/// What has arrived of a segment.
pub(super) enum Arrival {
    Batch {
        source: usize,
        batch: Batch,
        /// Its share of what may be in flight; none if it came in one piece with others.
        permit: Option<OwnedSemaphorePermit>,
    },
    /// What has arrived of this segment is void: it comes again.
    Again { source: usize },
}

/// Puts away what arrives: in memory while there is room, and in a scratch file otherwise.
pub(super) struct Arrivals<'a> {
    segments: Vec<Segment>,
    workspace: &'a Workspace,
    reservation: &'a mut Reservation,
    held: u64,
    file: Option<ScratchFile>,
    encoded: Vec<u8>,
}

#[derive(Default)]
struct Segment {
    parts: VecDeque<Part>,
    largest_in_file: u64,
}

enum Part {
    Batch(Batch),
    Frame { at: u64, bytes: usize },
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(sources: usize, workspace: &'a Workspace, reservation: &'a mut Reservation) -> Self {
        let segments = (0..sources).map(|_| Segment::default()).collect();
        Self { segments, workspace, reservation, held: 0, file: None, encoded: Vec::new() }
    }

    pub(super) fn take(&mut self, arrival: Arrival) -> Result<(), RddError> {
        match arrival {
            Arrival::Batch { source, batch, permit } => {
                let part = self.put_away(batch)?;
                drop(permit);
                if let Some(segment) = self.segments.get_mut(source) {
                    if let Part::Frame { bytes, .. } = &part {
                        segment.largest_in_file = segment.largest_in_file.max(*bytes as u64);
                    }
                    segment.parts.push_back(part);
                }
            }
            Arrival::Again { source } => {
                if let Some(segment) = self.segments.get_mut(source) {
                    *segment = Segment::default();
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<Fetched> {
        let file = self.file.map(Arc::new);
        let fetched = |segment: Segment| Fetched {
            parts: segment.parts,
            largest_in_file: segment.largest_in_file,
            file: file.clone(),
        };
        self.segments.into_iter().map(fetched).collect()
    }

    fn put_away(&mut self, batch: Batch) -> Result<Part, RddError> {
        let bytes = self.held + (batch.capacity_bytes() + size_of::<Part>()) as u64;
        if self.reservation.try_cover(bytes, STEP_BYTES) {
            self.held = bytes;
            return Ok(Part::Batch(batch));
        }
        self.encoded.clear();
        Frame::write(&batch, &mut self.encoded);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.workspace.scratch.create()?),
        };
        let at = file.bytes();
        file.append(&self.encoded)?;
        Ok(Part::Frame { at, bytes: self.encoded.len() })
    }
}

/// A segment that has been fetched.
pub(in crate::shuffle) struct Fetched {
    parts: VecDeque<Part>,
    largest_in_file: u64,
    file: Option<Arc<ScratchFile>>,
}

impl Fetched {
    pub(in crate::shuffle) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes of the largest frame that has to be read from the file.
    pub(in crate::shuffle) fn largest_in_file(&self) -> u64 {
        self.largest_in_file
    }
}

impl Rows for Fetched {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let (at, bytes) = match self.parts.pop_front() {
            None => return Ok(None),
            Some(Part::Batch(batch)) => return Ok(Some(batch)),
            Some(Part::Frame { at, bytes }) => (at, bytes),
        };
        let mut encoded = vec![0; bytes];
        if let Some(file) = &self.file {
            file.read_at(&mut encoded, at)?;
        }
        let header = *encoded.first_chunk().ok_or(crate::rdd::FrameError::Checksum)?;
        Ok(Some(Frame::header(header).read(&encoded[FRAME_HEADER_BYTES..])?))
    }
}
