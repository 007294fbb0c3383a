//! Records, the operators that transform them, and the blocks that keep them.

pub mod batch;
mod chain;
mod combiner;
mod error;
mod operator;
mod record;
mod registry;
mod samples;

pub use batch::{Batch, FrameError, RecordTooLarge, Row, Rows};
pub use chain::Chain;
pub use combiner::{AnyCombiner, Slot};
pub use error::{Again, FetchFailure, RddError};
pub use operator::{AnyOperator, Augmentation, Operator, OperatorError, RecordContext};
pub use record::{Picture, PictureMeta, Record};
pub use registry::{Registry, RegistryError, spec_of};
pub use samples::{PictureShape, Samples, SamplesError};
