use crate::rdd::{Batch, RddError, Rows, Step};

/// Steps one after the other: a flat list and a loop, however many there are.
pub(super) struct Pipeline {
    source: Box<dyn Rows>,
    stages: Vec<Stage>,
    /// The stage that goes on next.
    at: usize,
    /// An empty batch whose memory is used again.
    spare: Batch,
}

/// A step, and what it has not taken yet.
struct Stage {
    step: Box<dyn Step>,
    input: Batch,
    next: usize,
}

impl Pipeline {
    /// Makes a pipeline of steps, the first one first.
    pub(super) fn new(source: Box<dyn Rows>, steps: impl Iterator<Item = Box<dyn Step>>) -> Self {
        let stages = steps.map(|step| Stage { step, input: Batch::new(), next: 0 }).collect();
        Self { source, stages, at: 0, spare: Batch::new() }
    }

    /// Lets the stage at `at` take of its input, and hands on what it gives; that is a batch if it was the last one.
    fn advance(&mut self) -> Result<Option<Batch>, RddError> {
        let Some(stage) = self.stages.get_mut(self.at) else { return Ok(None) };
        let mut out = self.spare.take();
        stage.next = stage.step.apply(&stage.input, stage.next, &mut out)?;
        if stage.next >= stage.input.len() {
            self.spare = stage.input.take();
            self.spare.clear();
            stage.next = 0;
        }
        if out.is_empty() {
            return Ok(None);
        }
        match self.stages.get_mut(self.at + 1) {
            Some(next) => {
                next.input = out;
                self.at += 1;
                Ok(None)
            }
            None => Ok(Some(out)),
        }
    }
}

impl Rows for Pipeline {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        loop {
            let waiting = self.stages.get(self.at).is_some_and(|stage| !stage.input.is_empty());
            if !waiting && self.at > 0 {
                // An earlier stage may have stopped because its output was full.
                self.at -= 1;
                continue;
            }
            if !waiting {
                let Some(batch) = self.source.next_batch()? else { return Ok(None) };
                match self.stages.first_mut() {
                    Some(first) => first.input = batch,
                    None => return Ok(Some(batch)),
                }
            }
            if let Some(batch) = self.advance()? {
                return Ok(Some(batch));
            }
        }
    }
}
