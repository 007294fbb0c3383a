use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value, json};

use super::{Columns, PredictionWriter, Ranked, Row};

/// An object on each line.
pub(super) struct JsonLines<'a, W: Write> {
    to: BufWriter<W>,
    columns: Columns<'a>,
}

impl<'a, W: Write> JsonLines<'a, W> {
    pub(super) fn new(to: W, columns: Columns<'a>) -> Self {
        Self { to: BufWriter::new(to), columns }
    }

    fn object(&self, row: &Row<'_>) -> Value {
        let name = |class: usize| self.columns.classes.get(class).map_or("", String::as_str);
        let probabilities = match row.result {
            Ok(probabilities) => probabilities,
            Err(reason) => return json!({ "path": row.picture, "error": reason }),
        };
        let ranked = Ranked::top(probabilities, self.columns.top.unwrap_or(1).max(1));
        let first = ranked.first().map(|first| (name(first.class), first.probability));
        let (class, probability) = first.unzip();
        let mut object = json!({ "path": row.picture, "class": class, "probability": probability });
        match self.columns.top {
            Some(_) => {
                let one = |it: &Ranked| json!({ "class": name(it.class), "probability": it.probability });
                object["top"] = ranked.iter().map(one).collect();
            }
            None => {
                let all = probabilities.iter().enumerate();
                let all = all.map(|(class, probability)| (name(class).to_owned(), json!(probability)));
                object["probabilities"] = Value::Object(all.collect::<Map<_, _>>());
            }
        }
        object
    }
}

impl<W: Write> PredictionWriter for JsonLines<'_, W> {
    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let object = self.object(row);
        serde_json::to_writer(&mut self.to, &object)?;
        self.to.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::predictions::{Format, testing::written};

    fn lines(top: Option<usize>) -> Vec<Value> {
        let text = String::from_utf8(written(Format::JsonLines, top)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_has_all_probabilities_or_the_top_of_them_or_the_error() {
        let all = lines(None);
        assert_eq!(
            (all[0]["class"].as_str(), all[0]["probability"].as_f64()),
            (Some("cat, big"), Some(0.75))
        );
        assert_eq!(all[0]["probabilities"], serde_json::json!({"dog": 0.25, "cat, big": 0.75}));
        assert_eq!(all[1], serde_json::json!({"path": "b, \"c\"\n.jpg", "error": "it is cut off"}));
        let top = lines(Some(1));
        assert_eq!(top[0]["top"], serde_json::json!([{"class": "cat, big", "probability": 0.75}]));
        assert!(top[0]["probabilities"].is_null());
    }
}
