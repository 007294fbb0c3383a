use howdah_proto::settings::Pipeline;
use serde_json::Value;

/// Whether two pipelines do the same: the numbers of operators are f32, whose way through JSON may end in a neighbour of
/// the f64 that it began with.
pub fn same_pipeline(one: &Pipeline, other: &Pipeline) -> bool {
    // Settings are plain fields, which always serialise.
    let value = |pipeline: &Pipeline| serde_json::to_value(pipeline).unwrap_or_default();
    same(&value(one), &value(other))
}

fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            let [one, other] = [one, other].map(|number| number.as_f64().map(|number| number as f32));
            one == other
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use howdah_proto::lineage::OperatorSpec;
    use serde_json::json;

    use super::*;

    fn pipeline(params: Value) -> Pipeline {
        Pipeline::new(vec![OperatorSpec { name: "own".to_owned(), version: 1, params }], Vec::new())
    }

    #[test]
    fn neighbours_are_the_same_number_and_others_are_not() {
        let sigma = f64::from(0.2f32);
        let one = pipeline(json!({ "sigma": sigma, "sizes": [1, 2] }));
        assert!(same_pipeline(&one, &pipeline(json!({ "sigma": sigma.next_up(), "sizes": [1, 2] }))));
        for other in [
            json!({ "sigma": f64::from(0.2f32.next_up()), "sizes": [1, 2] }),
            json!({ "sigma": sigma, "sizes": [1, 3] }),
            json!({ "sigma": sigma, "sizes": [1] }),
            json!({ "sigma": sigma }),
            json!({ "sigma": "0.2", "sizes": [1, 2] }),
        ] {
            assert!(!same_pipeline(&one, &pipeline(other)));
        }
        assert!(!same_pipeline(&one, &Pipeline { views: 3, ..one.clone() }));
    }
}
