//! Models in files: safetensors, with all that `predict` needs to know in the metadata.

mod decode;
mod encode;
mod error;
mod onnx;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use howdah_proto::settings::Pipeline;

use super::{Combine, Layer, Network};
pub use error::{ModelError, ModelFault};
pub use onnx::to_onnx;

/// The newest version of the file's metadata that is read, and the one that is written.
pub const FORMAT_VERSION: u32 = 1;

/// A trained model, and how pictures come to it.
///
/// As a file it is safetensors with the tensors `layers.N.weight` `[inputs, outputs]` and `layers.N.bias` `[outputs]`
/// of f32, in the order of the flat weights, and the metadata keys `howdah.format`, `howdah.classes`,
/// `howdah.network`, `howdah.pipeline`, `howdah.settings` (JSON) and `howdah.layout`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The shape of the network.
    pub network: Network,
    /// The name of each class.
    pub classes: Vec<String>,
    /// What happens to a picture before the network sees it.
    pub pipeline: Pipeline,
    /// The settings of the training, for people to read: nothing is decided by them.
    pub settings: serde_json::Value,
    /// The flat weights.
    pub weights: Vec<f32>,
}

impl Model {
    /// Writes the model to `path`; a file that is there is replaced at once or not at all.
    ///
    /// # Errors
    /// [`ModelError`] if a part of the model doesn't fit the others, or the file can't be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let written = self.encode().and_then(|bytes| replace(path, &bytes).map_err(ModelFault::Write));
        written.map_err(|fault| ModelError { path: path.to_owned(), fault })
    }

    /// Reads the model in `path`.
    ///
    /// # Errors
    /// [`ModelError`] if it can't be read, or holds anything but a whole model.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let read = fs::read(path).map_err(ModelFault::Read).and_then(|bytes| Self::decode(&bytes));
        read.map_err(|fault| ModelError { path: path.to_owned(), fault })
    }

    /// The bytes of the model's file; the same model always gives the same bytes.
    ///
    /// # Errors
    /// [`ModelFault`] if a part of the model doesn't fit the others.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelFault> {
        self.encode()
    }

    /// Reads a model from the bytes of its file.
    ///
    /// # Errors
    /// [`ModelFault`] if they are anything but a whole model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFault> {
        Self::decode(bytes)
    }
}

/// Writes the networks of models that answer as one as an ONNX model to `path`; a file that is there is replaced at once or
/// not at all.
///
/// # Errors
/// [`ModelError`] as of [`to_onnx`], or if the file can't be written.
pub fn save_onnx(models: &[Model], combine: Combine, path: &Path) -> Result<(), ModelError> {
    let written = to_onnx(models, combine).and_then(|bytes| replace(path, &bytes).map_err(ModelFault::Write));
    written.map_err(|fault| ModelError { path: path.to_owned(), fault })
}

/// A tensor of the file: its name, its shape and its place in the flat weights.
struct TensorPlace {
    name: String,
    shape: Vec<usize>,
    place: std::ops::Range<usize>,
}

/// The tensors of a network, in the order of the flat weights.
fn tensors(network: &Network) -> impl Iterator<Item = TensorPlace> {
    network.layers().iter().enumerate().flat_map(|(index, layer): (usize, &Layer)| {
        let weight = TensorPlace {
            name: format!("layers.{index}.weight"),
            shape: vec![layer.inputs, layer.outputs],
            place: layer.weight.clone(),
        };
        let bias = TensorPlace {
            name: format!("layers.{index}.bias"),
            shape: vec![layer.outputs],
            place: layer.bias.clone(),
        };
        [weight, bias]
    })
}

/// Writes beside `path`, makes it durable, and renames it into place.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut name = path.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = folder.join(name);
    let written = write_durably(&part, bytes).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // The first error is the one to tell; what is left over is only a file with a telling name.
        let _ = fs::remove_file(&part);
    }
    written.and_then(|()| File::open(folder)?.sync_all())
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
pub(super) mod tests {
    use howdah_proto::settings::NetworkSettings;
    use safetensors::SafeTensors;

    use super::*;
    use crate::learn::initial_weights;

    pub(in crate::learn) fn model() -> Model {
        let settings = NetworkSettings { hidden: vec![3], dropout: 0.25, input_dropout: 0.5 };
        let network = Network::new(&settings, 4, 2).unwrap();
        Model {
            weights: initial_weights(&network, 5),
            network,
            classes: vec!["cat".into(), "dog \u{1F415}".into()],
            pipeline: serde_json::from_str(
                r#"{"prepare":[{"operator":"resize","version":1,"params":{"width":2}}],"feed":[]}"#,
            )
            .unwrap(),
            settings: serde_json::json!({"epochs": 3, "seed": 7}),
        }
    }

    #[test]
    fn a_model_comes_back_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        fs::write(&path, "an older file").unwrap();
        model().save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap(), model());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left");
    }

    #[test]
    fn the_tensors_in_the_file_stand_where_the_flat_weights_have_them() {
        let (model, bytes) = (model(), model().to_bytes().unwrap());
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (index, layer) in model.network.layers().iter().enumerate() {
            let weight = file.tensor(&format!("layers.{index}.weight")).unwrap();
            assert_eq!(weight.shape(), [layer.inputs, layer.outputs]);
            let expected: Vec<u8> =
                model.weights[layer.weight.clone()].iter().flat_map(|w| w.to_le_bytes()).collect();
            assert_eq!(weight.data(), expected);
            let bias = file.tensor(&format!("layers.{index}.bias")).unwrap();
            assert_eq!((bias.shape(), bias.data().len()), ([layer.outputs].as_slice(), 4 * layer.bias.len()));
        }
        let flat: Vec<u8> = model.weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        assert!(bytes.ends_with(&flat));
    }

    #[test]
    fn the_same_model_gives_the_same_bytes() {
        assert_eq!(model().to_bytes().unwrap(), model().to_bytes().unwrap());
    }

    #[test]
    fn errors_name_the_file() {
        let error = Model::load(Path::new("/nowhere/m.safetensors")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/m.safetensors: "), "{error}");
        let error = model().save(Path::new("/nowhere/m.safetensors")).unwrap_err();
        assert!(matches!(error.fault, ModelFault::Write(_)), "{error}");
    }
}
