use std::ops::Range;

use howdah_proto::{lineage::OperatorSpec, settings::Pipeline};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::Spanned;

use super::PipelineError;
use crate::rdd::Registry;

/// A pipeline as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    views: u32,
    #[serde(default)]
    mirror_average: bool,
    #[serde(default)]
    prepare: Vec<Spanned<toml::Table>>,
    #[serde(default)]
    feed: Vec<Spanned<toml::Table>>,
}

/// The key of an operator's name.
const OPERATOR: &str = "operator";

/// Reads a pipeline: `views` and `mirror_average` may be left out; the tables `[[prepare]]` and `[[feed]]` have an
/// operator's name as `operator`, and its parameters beside it.
///
/// # Errors
/// [`PipelineError`], naming the line, and the operator where it is one.
pub fn read(text: &str, registry: &Registry) -> Result<Pipeline, PipelineError> {
    // The library's message shows the line.
    let form: Form =
        toml::from_str(text).map_err(|error| PipelineError::Form(error.to_string().trim_end().to_owned()))?;
    let read = |tables: Vec<Spanned<toml::Table>>| {
        tables.into_iter().map(|table| operator(text, table, registry)).collect::<Result<Vec<_>, _>>()
    };
    let Form { views, mirror_average, prepare, feed } = form;
    Ok(Pipeline { prepare: read(prepare)?, feed: read(feed)?, views, mirror_average })
}

fn operator(
    text: &str,
    table: Spanned<toml::Table>,
    registry: &Registry,
) -> Result<OperatorSpec, PipelineError> {
    let place = line(text, table.span());
    let mut table = table.into_inner();
    let name = match table.remove(OPERATOR) {
        Some(toml::Value::String(name)) => name,
        Some(_) => return Err(PipelineError::Form(format!("{place}: `{OPERATOR}` must be a name"))),
        None => return Err(PipelineError::Form(format!("{place}: `{OPERATOR}` is missing"))),
    };
    let wrong =
        |reason: String| PipelineError::Operator { place: place.clone(), operator: name.clone(), reason };
    let operators = registry.operators();
    let Some(version) = operators.get(name.as_str()).copied() else {
        let known = operators.into_keys().collect::<Vec<_>>().join(", ");
        return Err(wrong(format!("it is not known; there are {known}")));
    };
    let params = serde_json::to_value(table).map_err(|error| wrong(error.to_string()))?;
    let spec = OperatorSpec { name: name.clone(), version, params };
    registry.build(&spec).map_err(|error| wrong(super::error::reason(error)))?;
    Ok(spec)
}

/// Names the line in which a part of the text begins.
fn line(text: &str, span: Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or(text);
    format!("line {}", before.matches('\n').count() + 1)
}

/// Writes a pipeline so that [`read`] makes the same of it.
///
/// # Errors
/// [`PipelineError::Form`] if a parameter has no form in TOML.
pub fn write(pipeline: &Pipeline) -> Result<String, PipelineError> {
    #[derive(Serialize)]
    struct Written<'a> {
        views: u32,
        mirror_average: bool,
        prepare: Vec<Table<'a>>,
        feed: Vec<Table<'a>>,
    }
    let Pipeline { views, mirror_average, .. } = *pipeline;
    let written = Written {
        views,
        mirror_average,
        prepare: pipeline.prepare.iter().map(table).collect(),
        feed: pipeline.feed.iter().map(table).collect(),
    };
    toml::to_string(&written).map_err(|error| PipelineError::Form(error.to_string()))
}

/// An operator as it stands in a file: its name goes first.
#[derive(Serialize)]
struct Table<'a> {
    operator: &'a str,
    #[serde(flatten)]
    params: Value,
}

fn table(spec: &OperatorSpec) -> Table<'_> {
    Table { operator: &spec.name, params: plain(spec.params.clone()) }
}

/// Leaves out what is not set, which TOML has no form for, and writes single precision with the digits it has.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, plain(value)))
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(plain).collect()),
        Value::Number(ref number) if number.is_f64() => {
            let double = number.as_f64().unwrap_or_default();
            let single = double as f32;
            let shortest = (f64::from(single) == double).then(|| single.to_string().parse().ok()).flatten();
            shortest.map_or(value, |shortest: f64| Value::from(shortest))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{
        pipeline::{Changes, PRESETS, check},
        register,
    };

    fn registry() -> Registry {
        let mut registry = Registry::new();
        register(&mut registry);
        registry
    }

    fn refused(text: &str) -> String {
        read(text, &registry()).unwrap_err().to_string()
    }

    #[test]
    fn every_preset_is_the_same_when_it_is_written_and_read() {
        for preset in PRESETS {
            let pipeline = preset.build(&Changes::default()).unwrap();
            let text = write(&pipeline).unwrap();
            let again = read(&text, &registry()).unwrap();
            assert_eq!(write(&again).unwrap(), text, "{}", preset.name);
            check(&again, &registry()).unwrap();
        }
    }

    #[test]
    fn a_file_reads_as_it_is_written() {
        let text = "[[prepare]]\noperator = \"decode\"\ncolor = \"gray\"\n\n\
                    [[feed]]\noperator = \"affine\"\nmax_degrees = 10.0\nmax_shift = 0.1\nmax_scale = 1.0\n\n\
                    [[feed]]\noperator = \"flatten\"\n";
        let pipeline = read(text, &registry()).unwrap();
        assert_eq!(pipeline.prepare[0].params, serde_json::json!({ "color": "gray" }));
        assert_eq!(pipeline.feed[1].name, "flatten");
        let written = write(&pipeline).unwrap();
        assert_eq!(read(&written, &registry()).unwrap(), pipeline);
        assert!(written.contains("operator = \"decode\"\ncolor = \"gray\"\n"), "{written}");
        assert!(written.contains("max_shift = 0.1\n"), "{written}");
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_operator() {
        let start = "[[prepare]]\noperator = \"decode\"\ncolor = \"gray\"\n\n[[prepare]]\n";
        for (rest, told) in [
            ("operator = \"resiz\"", "line 5, operator `resiz`: it is not known; there are affine, "),
            ("operator = \"resize\"\nwidth = 9", "line 5, operator `resize`: missing field `height`"),
            ("operator = \"denoise\"\nsigma = -1.0", "line 5, operator `denoise`: sigma is -1"),
            ("operator = \"denoise\"\nsigma = 1.0\nwith = 2", "unknown field `with`"),
            ("width = 9", "line 5: `operator` is missing"),
            ("operator = 9", "line 5: `operator` must be a name"),
            ("operator = ", "line 6"),
            ("operator = \"sum\"", "operator `sum`: it is not known"),
        ] {
            let reason = refused(&format!("{start}{rest}\n"));
            assert!(reason.contains(told), "{reason}");
        }
        assert!(refused("[[perpare]]\noperator = \"decode\"").contains("unknown field `perpare`"));
    }
}
