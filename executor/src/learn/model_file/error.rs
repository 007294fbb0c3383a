use std::{io, path::PathBuf};

use super::FORMAT_VERSION;
use crate::learn::NetworkError;

/// A model file that can't be written, read or believed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct ModelError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: ModelFault,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum ModelFault {
    /// The file can't be read.
    #[error("the model can't be read: {0}")]
    Read(io::Error),
    /// The file can't be written.
    #[error("the model can't be written: {0}")]
    Write(io::Error),
    /// It is something else.
    #[error("this is not a safetensors file: {0}")]
    NotSafetensors(String),
    /// Its end is missing.
    #[error("the file is cut off: it says it has {expected} bytes, but it has {got}; copy it again")]
    Truncated {
        /// The bytes that its header announces.
        expected: u64,
        /// The bytes there are.
        got: u64,
    },
    /// It is a safetensors file of some other program.
    #[error("this safetensors file holds no Howdah model: its metadata lacks `{0}`")]
    NoModel(&'static str),
    /// It was written by a newer Howdah.
    #[error(
        "the model has format version {found}, and this Howdah ({}) reads up to version {FORMAT_VERSION}: \
         use a newer Howdah",
        howdah_proto::SOFTWARE_VERSION
    )]
    NewerFormat {
        /// The version in the file.
        found: u32,
    },
    /// A piece of metadata makes no sense.
    #[error("the metadata `{key}` makes no sense: {reason}")]
    Metadata {
        /// Its key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The network can't be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The names of the classes don't fit the network.
    #[error("the model names {names} classes, but its network tells {classes} apart")]
    Classes {
        /// The names.
        names: usize,
        /// The classes of the network.
        classes: usize,
    },
    /// A tensor isn't there.
    #[error("the tensor `{0}` is missing")]
    MissingTensor(String),
    /// A tensor is there that the network doesn't have.
    #[error("the file holds {got} tensors, but its network has {expected}")]
    ExtraTensors {
        /// The tensors of the network.
        expected: usize,
        /// The tensors there are.
        got: usize,
    },
    /// A tensor has another shape than the network says.
    #[error("the tensor `{tensor}` has shape {got:?}, but the network needs {expected:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A tensor holds something else than f32.
    #[error("the tensor `{tensor}` holds {got} values, but F32 is needed")]
    Dtype {
        /// The tensor.
        tensor: String,
        /// The type in the file.
        got: String,
    },
    /// The weights are more or fewer than the network's.
    #[error("there are {got} weights for a network of {expected} parameters")]
    Weights {
        /// The parameters of the network.
        expected: usize,
        /// The weights there are.
        got: usize,
    },
    /// Models can't answer as one.
    #[error("models that answer together have the same classes, and there is at least one of them")]
    NotAlike,
    /// The network is larger than an ONNX file can be.
    #[error(
        "the network takes {size} bytes as ONNX, and such a file can have {most}: there is only the safetensors file"
    )]
    TooLargeForOnnx {
        /// The bytes it would take, with room for its description.
        size: usize,
        /// The bytes that protobuf allows.
        most: usize,
    },
    /// A weight is infinite or no number.
    #[error("the tensor `{0}` holds a weight that is not a finite number")]
    NonFinite(String),
}
