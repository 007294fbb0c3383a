use std::{
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use howdah_proto::Partition;

use super::{
    Data, Failure, Function,
    step::{Typed, failed, push},
};
use crate::rdd::{Batch, RddError, Rows};

/// Makes the records of a partition of those of another. Records come and go one by one: neither the input nor the
/// output need fit into memory.
pub trait MapPartitions: Function {
    /// What it takes.
    type Input: Data;
    /// What it gives.
    type Output: Data;

    /// Makes the records of a partition.
    ///
    /// # Errors
    /// [`Failure`], before the first record or in place of one.
    fn map_partition(
        self,
        partition: Partition,
        records: Records<Self::Input>,
    ) -> Result<impl Iterator<Item = Result<Self::Output, Failure>> + Send + 'static, Failure>;
}

/// A [`MapPartitions`] whose types have been forgotten.
pub trait AnyMapPartitions: Send {
    /// Makes the rows of a partition.
    fn rows(self: Box<Self>, partition: Partition, input: Box<dyn Rows>) -> Box<dyn Rows>;
}

/// The records of a partition. It ends early if they can't be had; what was made of them is not used then.
pub struct Records<T> {
    rows: Box<dyn Rows>,
    function: &'static str,
    batch: Batch,
    next: usize,
    error: Arc<Mutex<Option<RddError>>>,
    of: PhantomData<fn() -> T>,
}

impl<T: Data> Records<T> {
    fn read(&mut self) -> Result<Option<T>, RddError> {
        if self.batch.row(self.next).is_none() {
            self.batch = self.rows.next_batch()?.unwrap_or_default();
            self.next = 0;
        }
        let Some(row) = self.batch.row(self.next) else { return Ok(None) };
        self.next += 1;
        crate::rdd::codec::decode(row.bytes()).map(Some).map_err(|error| error.of(self.function))
    }
}

impl<T: Data> Iterator for Records<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.read().unwrap_or_else(|error| {
            *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            None
        })
    }
}

pub(crate) struct PartitionsMapped;

impl<F: MapPartitions> AnyMapPartitions for Typed<F, PartitionsMapped> {
    fn rows(self: Box<Self>, partition: Partition, input: Box<dyn Rows>) -> Box<dyn Rows> {
        let error = Arc::new(Mutex::new(None));
        let records = Records {
            rows: input,
            function: F::NAME,
            batch: Batch::new(),
            next: 0,
            error: error.clone(),
            of: PhantomData,
        };
        Box::new(Outputs { state: State::Ready(self.function, partition, records), error })
    }
}

struct Outputs<F: MapPartitions> {
    state: State<F>,
    /// Why the input ended early.
    error: Arc<Mutex<Option<RddError>>>,
}

enum State<F: MapPartitions> {
    Ready(F, Partition, Records<F::Input>),
    Running(Box<dyn Iterator<Item = Result<F::Output, Failure>> + Send>),
    Done,
}

impl<F: MapPartitions> Outputs<F> {
    fn fill(&mut self, out: &mut Batch) -> Result<(), RddError> {
        if let State::Ready(..) = self.state
            && let State::Ready(function, partition, records) =
                std::mem::replace(&mut self.state, State::Done)
        {
            let outputs = function.map_partition(partition, records).map_err(failed::<F>)?;
            self.state = State::Running(Box::new(outputs));
        }
        let State::Running(outputs) = &mut self.state else { return Ok(()) };
        while !out.is_full() {
            let Some(output) = outputs.next() else {
                self.state = State::Done;
                break;
            };
            push::<F, _>(out, &output.map_err(failed::<F>)?)?;
        }
        Ok(())
    }
}

impl<F: MapPartitions> Rows for Outputs<F> {
    fn next_batch(&mut self) -> Result<Option<Batch>, RddError> {
        let mut out = Batch::new();
        let filled = self.fill(&mut out);
        // What the function made, or said, after its input broke off means nothing.
        if let Some(error) = self.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        filled?;
        Ok(Some(out).filter(|out| !out.is_empty()))
    }
}
