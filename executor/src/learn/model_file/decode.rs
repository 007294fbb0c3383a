use std::collections::HashMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::DeserializeOwned;

use super::{FORMAT_VERSION, Model, ModelFault, TensorPlace, tensors};
use crate::learn::Network;

impl Model {
    /// Reads a model; nothing is allocated on the word of the header alone.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ModelFault> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| fault(error, bytes))?;
        let metadata = header.metadata().as_ref().ok_or(ModelFault::NoModel("howdah.format"))?;
        check_format(text(metadata, "howdah.format")?)?;
        let network: Network = parsed(metadata, "howdah.network")?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| fault(error, bytes))?;
        let model = Self {
            classes: parsed(metadata, "howdah.classes")?,
            pipeline: parsed(metadata, "howdah.pipeline")?,
            settings: parsed(metadata, "howdah.settings")?,
            weights: weights(&file, &network)?,
            network,
        };
        model.check()?;
        Ok(model)
    }
}

fn check_format(version: &str) -> Result<(), ModelFault> {
    let bad = |reason: String| ModelFault::Metadata { key: "howdah.format", reason };
    match version.parse::<u32>() {
        Ok(0) => Err(bad("versions are counted from 1".into())),
        Ok(1..=FORMAT_VERSION) => Ok(()),
        Ok(found) => Err(ModelFault::NewerFormat { found }),
        Err(error) => Err(bad(format!("`{version}`: {error}"))),
    }
}

fn text<'a>(metadata: &'a HashMap<String, String>, key: &'static str) -> Result<&'a str, ModelFault> {
    metadata.get(key).map(String::as_str).ok_or(ModelFault::NoModel(key))
}

fn parsed<T: DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &'static str,
) -> Result<T, ModelFault> {
    serde_json::from_str(text(metadata, key)?)
        .map_err(|error| ModelFault::Metadata { key, reason: error.to_string() })
}

/// Gathers the tensors of the network into flat weights.
fn weights(file: &SafeTensors<'_>, network: &Network) -> Result<Vec<f32>, ModelFault> {
    let mut weights = Vec::new();
    let mut expected = 0;
    for TensorPlace { name, shape, .. } in tensors(network) {
        expected += 1;
        let tensor = file.tensor(&name).map_err(|_| ModelFault::MissingTensor(name.clone()))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(ModelFault::Dtype { tensor: name, got: tensor.dtype().to_string() });
        }
        if tensor.shape() != shape {
            return Err(ModelFault::Shape { tensor: name, expected: shape, got: tensor.shape().to_vec() });
        }
        let (values, _) = tensor.data().as_chunks::<4>();
        weights.extend(values.iter().map(|value| f32::from_le_bytes(*value)));
    }
    if file.len() != expected {
        return Err(ModelFault::ExtraTensors { expected, got: file.len() });
    }
    Ok(weights)
}

/// Says what the matter is with a header that was not understood.
fn fault(error: SafeTensorError, bytes: &[u8]) -> ModelFault {
    let got = bytes.len() as u64;
    let announced = bytes.first_chunk().map(|length| u64::from_le_bytes(*length));
    match (&error, announced) {
        // A header starts with a brace; without it the announced length is chance.
        (SafeTensorError::InvalidHeaderLength, Some(header)) if bytes.get(8) == Some(&b'{') => {
            ModelFault::Truncated { expected: header.saturating_add(8), got }
        }
        (SafeTensorError::MetadataIncompleteBuffer, Some(header)) => match tensor_bytes(bytes, header) {
            Some(tensors) if tensors.saturating_add(header + 8) > got => {
                ModelFault::Truncated { expected: tensors + header + 8, got }
            }
            _ => ModelFault::NotSafetensors("there are bytes that belong to no tensor".into()),
        },
        _ => ModelFault::NotSafetensors(error.to_string()),
    }
}

/// Where the last tensor ends, by the header of a file whose tensors are not all there.
fn tensor_bytes(bytes: &[u8], header: u64) -> Option<u64> {
    let end = usize::try_from(header).ok()?.checked_add(8)?;
    let header: HashMap<String, serde_json::Value> = serde_json::from_slice(bytes.get(8..end)?).ok()?;
    header.values().filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64()).max()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::learn::model_file::tests::model;

    /// The model's file with a piece of its header changed.
    fn altered(from: &str, to: &str) -> Result<Model, ModelFault> {
        let bytes = model().to_bytes().unwrap();
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
        assert!(header.contains(from), "{header}");
        let header = header.replace(from, to);
        let mut changed = (header.len() as u64).to_le_bytes().to_vec();
        changed.extend_from_slice(header.as_bytes());
        changed.extend_from_slice(&bytes[8 + length..]);
        Model::from_bytes(&changed)
    }

    #[test]
    fn what_is_no_safetensors_file_is_called_so() {
        for bytes in [b"".as_slice(), b"GIF89a", b"a text that is longer than eight bytes", &[0xff; 64]] {
            assert!(matches!(Model::from_bytes(bytes), Err(ModelFault::NotSafetensors(_))), "{bytes:?}");
        }
        let mut longer = model().to_bytes().unwrap();
        longer.push(0);
        assert!(matches!(Model::from_bytes(&longer), Err(ModelFault::NotSafetensors(_))));
    }

    #[test]
    fn a_file_that_is_cut_off_says_how_long_it_should_be() {
        let bytes = model().to_bytes().unwrap();
        let whole = bytes.len() as u64;
        for cut in [bytes.len() - 1, bytes.len() - 70] {
            let read = Model::from_bytes(&bytes[..cut]);
            assert!(
                matches!(read, Err(ModelFault::Truncated { expected, got }) if expected == whole && got == cut as u64),
                "{read:?}"
            );
        }
        assert!(matches!(Model::from_bytes(&bytes[..100]), Err(ModelFault::Truncated { got: 100, .. })));
    }

    #[test]
    fn a_safetensors_file_of_another_program_is_called_so() {
        assert!(matches!(
            altered("howdah.format", "other.format"),
            Err(ModelFault::NoModel("howdah.format"))
        ));
        let key = "howdah.pipeline";
        assert!(matches!(altered(key, "pipeline"), Err(ModelFault::NoModel(missing)) if missing == key));
        let mut foreign = 2u64.to_le_bytes().to_vec();
        foreign.extend_from_slice(b"{}");
        assert!(matches!(Model::from_bytes(&foreign), Err(ModelFault::NoModel(_))));
    }

    #[test]
    fn a_newer_format_is_refused_with_both_versions() {
        let error = altered(r#""howdah.format":"1""#, r#""howdah.format":"12""#).unwrap_err();
        assert!(matches!(error, ModelFault::NewerFormat { found: 12 }));
        let message = error.to_string();
        assert!(message.contains("version 12") && message.contains("version 1:"), "{message}");
        for version in ["0", "one"] {
            let changed = format!(r#""howdah.format":"{version}""#);
            let read = altered(r#""howdah.format":"1""#, &changed);
            assert!(matches!(read, Err(ModelFault::Metadata { key: "howdah.format", .. })), "{read:?}");
        }
    }

    #[test]
    fn a_tensor_that_is_missing_or_wrong_is_named() {
        let missing = altered("layers.1.bias", "layers.9.bias");
        assert!(matches!(missing, Err(ModelFault::MissingTensor(name)) if name == "layers.1.bias"));
        let shape = altered(r#""shape":[4,3]"#, r#""shape":[3,4]"#);
        assert!(
            matches!(shape, Err(ModelFault::Shape { tensor, got, .. }) if tensor == "layers.0.weight" && got == [3, 4])
        );
        let dtype = altered("F32", "I32");
        assert!(matches!(dtype, Err(ModelFault::Dtype { got, .. }) if got == "I32"));
        let fewer = altered(r#"\"hidden\":[3],\"outputs\":1"#, r#"\"hidden\":[],\"outputs\":3"#);
        assert!(matches!(fewer, Err(ModelFault::ExtraTensors { expected: 2, got: 4 })), "{fewer:?}");
    }

    #[test]
    fn a_network_that_lies_about_its_size_is_refused() {
        for lie in [r#"\"inputs\":4000000000"#, r#"\"inputs\":18446744073709551615"#, r#"\"inputs\":0"#] {
            let read = altered(r#"\"inputs\":4"#, lie);
            assert!(matches!(read, Err(ModelFault::Metadata { key: "howdah.network", .. })), "{read:?}");
        }
        let larger = altered(r#"\"inputs\":4"#, r#"\"inputs\":400000000"#);
        assert!(matches!(larger, Err(ModelFault::Shape { .. })));
    }

    #[test]
    fn class_names_that_do_not_fit_are_refused() {
        let read = altered(r#"[\"cat\","#, r#"[\"cat\",\"cow\","#);
        assert!(matches!(read, Err(ModelFault::Classes { names: 3, classes: 2 })), "{read:?}");
    }

    #[test]
    fn weights_that_are_not_finite_are_refused() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut bytes = model().to_bytes().unwrap();
            let end = bytes.len() - 4;
            bytes[end..].copy_from_slice(&value.to_le_bytes());
            assert!(
                matches!(Model::from_bytes(&bytes), Err(ModelFault::NonFinite(name)) if name == "layers.1.bias")
            );
        }
    }

    proptest! {
        #[test]
        fn no_corruption_makes_loading_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<Option<prop::sample::Index>>()) {
            let mut bytes = model().to_bytes().unwrap();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(model) = Model::from_bytes(&bytes) {
                prop_assert!(model.check().is_ok());
            }
        }
    }
}
