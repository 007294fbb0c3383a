use serde::Serialize;
use serde_json::{Value, json};

use super::{FORMAT_VERSION, Model, ModelFault, tensors};

/// What the header's length must be a multiple of, for the tensors to be aligned.
const ALIGNMENT: usize = 8;

impl Model {
    /// Writes header and tensors by hand, not by the `safetensors` crate: it would sort the tensors by name, so
    /// that they no longer stand as in the flat weights, and its metadata has a random order.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ModelFault> {
        self.check()?;
        let mut header = json_of("header", &self.header()?)?;
        header.push_str(&" ".repeat(header.len().next_multiple_of(ALIGNMENT) - header.len()));
        let mut bytes = Vec::with_capacity(8 + header.len() + 4 * self.weights.len());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend(self.weights.iter().flat_map(|weight| weight.to_le_bytes()));
        Ok(bytes)
    }

    /// Checks that the parts of the model fit each other.
    pub(super) fn check(&self) -> Result<(), ModelFault> {
        let (names, classes) = (self.classes.len(), self.network.classes());
        if names != classes {
            return Err(ModelFault::Classes { names, classes });
        }
        let (expected, got) = (self.network.parameters(), self.weights.len());
        if expected != got {
            return Err(ModelFault::Weights { expected, got });
        }
        let wrong = tensors(&self.network)
            .find(|tensor| !self.weights[tensor.place.clone()].iter().all(|weight| weight.is_finite()));
        wrong.map_or(Ok(()), |tensor| Err(ModelFault::NonFinite(tensor.name)))
    }

    fn header(&self) -> Result<Value, ModelFault> {
        let metadata = json!({
            "format": "pt",
            "howdah.format": FORMAT_VERSION.to_string(),
            "howdah.layout": "weights are [inputs, outputs], row-major: y = x W + b",
            "howdah.classes": json_of("howdah.classes", &self.classes)?,
            "howdah.network": json_of("howdah.network", &self.network)?,
            "howdah.pipeline": json_of("howdah.pipeline", &self.pipeline)?,
            "howdah.settings": json_of("howdah.settings", &self.settings)?,
        });
        let mut header = serde_json::Map::from_iter([("__metadata__".to_owned(), metadata)]);
        for tensor in tensors(&self.network) {
            let offsets = [4 * tensor.place.start, 4 * tensor.place.end];
            let entry = json!({ "dtype": "F32", "shape": tensor.shape, "data_offsets": offsets });
            header.insert(tensor.name, entry);
        }
        Ok(Value::Object(header))
    }
}

pub(super) fn json_of(key: &'static str, value: &impl Serialize) -> Result<String, ModelFault> {
    serde_json::to_string(value).map_err(|error| ModelFault::Metadata { key, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::model_file::tests::model;

    #[test]
    fn parts_that_do_not_fit_are_not_written() {
        let mut short = model();
        short.weights.pop();
        assert!(matches!(short.to_bytes(), Err(ModelFault::Weights { expected: 19, got: 18 })));
        let mut nameless = model();
        nameless.classes.pop();
        assert!(matches!(nameless.to_bytes(), Err(ModelFault::Classes { names: 1, classes: 2 })));
        let mut diverged = model();
        diverged.weights[13] = f32::NAN;
        assert!(matches!(diverged.to_bytes(), Err(ModelFault::NonFinite(name)) if name == "layers.0.bias"));
    }
}
