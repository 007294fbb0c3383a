use crate::inference::Classified;

/// What there is to write of each picture.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// The names of the classes.
    pub classes: &'a [String],
    /// How many of the most probable classes are named; every class if absent, where a format has room for that, else
    /// the first.
    pub top: Option<usize>,
}

impl Columns<'_> {
    /// How many classes are named in a format of fixed columns.
    pub(super) fn ranks(&self) -> usize {
        self.top.unwrap_or(1).min(self.classes.len())
    }

    /// The names of columns: the picture, its classes and their probabilities, and why there are none.
    pub(super) fn names(&self) -> Vec<String> {
        let suffix = |rank: usize| if rank == 1 { String::new() } else { format!("_{rank}") };
        let ranked = (1..=self.ranks())
            .flat_map(|rank| ["class", "probability"].map(|name| format!("{name}{}", suffix(rank))));
        ["path".to_owned()].into_iter().chain(ranked).chain(["error".to_owned()]).collect()
    }
}

/// What became of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What it is called.
    pub picture: &'a str,
    /// The probability of each class, or why there is none.
    pub result: &'a Classified,
}

/// A class with its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// The class, as a place in the model's list.
    pub class: usize,
    /// Its probability.
    pub probability: f32,
}

impl Ranked {
    /// The most probable classes, the most probable first; of equal ones the first.
    pub fn top(probabilities: &[f32], count: usize) -> Vec<Self> {
        let all = probabilities.iter().enumerate();
        let mut ranked: Vec<Self> =
            all.map(|(class, probability)| Self { class, probability: *probability }).collect();
        ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.class.cmp(&b.class)));
        ranked.truncate(count);
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ranked_by_probability_and_then_by_place() {
        let top = |probabilities: &[f32], count| {
            Ranked::top(probabilities, count).iter().map(|ranked| ranked.class).collect::<Vec<_>>()
        };
        assert_eq!(top(&[0.1, 0.6, 0.3], 2), [1, 2]);
        assert_eq!(top(&[0.25, 0.5, 0.25], 9), [1, 0, 2]);
        assert!(top(&[], 1).is_empty());
    }

    #[test]
    fn columns_are_numbered_from_the_second_class_on_and_no_more_than_there_are() {
        let classes = ["a", "b"].map(String::from);
        let names = |top| Columns { classes: &classes, top }.names().join(" ");
        assert_eq!(names(None), "path class probability error");
        assert_eq!(names(Some(9)), "path class probability class_2 probability_2 error");
    }
}
