//! Records, the functions that transform them, and what is computed of them, partition by partition.

pub mod action;
pub mod batch;
pub mod codec;
mod combiner;
pub mod compute;
mod error;
pub mod function;
pub mod narrow;
pub mod picture;
mod registry;
pub mod saved;
pub mod scope;
pub mod source;

pub use batch::{Batch, FrameError, RecordTooLarge, Row, Rows};
pub use codec::CodecError;
pub use combiner::{AnyCombiner, Slot};
pub use error::{Again, FetchFailure, RddError};
pub use function::{
    Aggregate, AnyForEach, AnyMapPartitions, Combine, Data, Failure, Filter, FlatMap, FlatMapValues, ForEach,
    Function, KeyBy, Map, MapPartitions, MapValues, Max, Min, Number, Records, Reduce, Step, Sum, spec_of,
};
pub use picture::{
    AnyOperator, Augmentation, Chain, Fit, FitError, GatherContext, MAX_FITTED_BYTES, MAX_SUMMARY_BYTES,
    Operator, OperatorError, Packed, Picture, PictureMeta, PictureShape, PictureView, Record, RecordContext,
    RowContent, RowKind, SampleRow, Samples, SamplesError, SamplesHeader, Spare, Spread, Unfitted, ViewChain,
    Views, Wanted,
};
pub use registry::{Kind, Registry, RegistryError, Transform};
