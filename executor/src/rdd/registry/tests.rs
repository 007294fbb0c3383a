use serde::{Deserialize, Serialize};

use super::*;
use crate::rdd::{Failure, OperatorError, Record, RecordContext, Spare, spec_of};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Even {
    size: u32,
}

impl Function for Even {
    const NAME: &'static str = "even";
    const VERSION: u32 = 3;

    fn validate(&self) -> Result<(), String> {
        if self.size.is_multiple_of(2) { Ok(()) } else { Err("size must be even".to_owned()) }
    }
}

impl Operator for Even {
    fn apply(&mut self, record: Record, _: &RecordContext, _: &mut Spare) -> Result<Record, OperatorError> {
        Ok(record)
    }
}

fn error(spec: &OperatorSpec) -> String {
    let mut registry = Registry::new();
    registry.register::<Even>();
    registry.build(spec).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn an_operator_is_built_from_its_own_spec() {
    assert_eq!(error(&spec_of(&Even { size: 2 })), "");
}

#[test]
fn an_operator_that_can_not_be_built_is_named() {
    let good = spec_of(&Even { size: 2 });
    let unknown = OperatorSpec { name: "odd".to_owned(), ..good.clone() };
    assert!(error(&unknown).contains("`odd` is not known here (known: even, max_f32"));
    let newer = OperatorSpec { version: 4, ..good.clone() };
    assert!(error(&newer).contains("version 4, but this build has version 3"));
    let wrong = OperatorSpec { params: serde_json::json!({"size": 3}), ..good.clone() };
    assert!(error(&wrong).contains("size must be even"));
    let extra = OperatorSpec { params: serde_json::json!({"size": 2, "x": 1}), ..good };
    assert!(error(&extra).contains("unknown field"));
}

/// Registered as `even`, too.
#[derive(Serialize, Deserialize)]
struct EvenNumbers {}

impl Function for EvenNumbers {
    const NAME: &'static str = "even";
}

impl Filter for EvenNumbers {
    type Record = u64;

    fn keeps(&mut self, record: &u64) -> Result<bool, Failure> {
        Ok(record.is_multiple_of(2))
    }
}

#[test]
fn a_function_that_is_used_as_another_kind_is_named() {
    let mut registry = Registry::new();
    registry.filter::<EvenNumbers>().filter::<EvenNumbers>();
    let spec = spec_of(&EvenNumbers {});
    assert_eq!(registry.expect(&spec, Kind::Filter), Ok(()));
    assert!(registry.transform(&spec).is_ok());
    let error = registry.expect(&spec, Kind::Map).unwrap_err().to_string();
    assert_eq!(error, "`even` is a filter, and is used as a map");
    let error = registry.combiner(&spec).err().unwrap().to_string();
    assert!(error.contains("`even` is a filter, and is used as a reduction"), "{error}");
}

#[test]
fn two_functions_of_one_name_are_refused_by_name() {
    let mut registry = Registry::new();
    registry.filter::<EvenNumbers>();
    assert_eq!(registry.check(), Ok(()));
    registry.register::<Even>();
    let error = registry.check().unwrap_err().to_string();
    assert!(error.contains("two functions are registered as `even`"), "{error}");
    assert!(error.contains("a filter in version 1") && error.contains("pictures in version 3"), "{error}");
    assert!(registry.transform(&spec_of(&EvenNumbers {})).is_err());
}
