use std::{collections::BTreeMap, path::Path};

use howdah_paramserver::role::nearest;

use super::DatasetError;

/// Which of a source's names belongs to which class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassMap {
    classes: Vec<String>,
    /// For each of the source's names its class; none if it is left out.
    labels: Vec<Option<u32>>,
}

impl ClassMap {
    /// The classes of training pictures: those of the mapping, or one for each name if the mapping is empty.
    pub(super) fn of_training(
        place: &Path,
        names: &[String],
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        let map = Self::mapped(place, names, mapping)?;
        if map.classes.len() < 2 {
            let found = match &map.classes[..] {
                [] => "no class".to_owned(),
                [only, ..] => format!("only the class `{only}`"),
            };
            return Err(DatasetError::TooFewClasses { folder: place.to_owned(), found });
        }
        Ok(map)
    }

    /// The same names in terms of classes that are known already.
    pub(super) fn for_classes(
        place: &Path,
        names: &[String],
        classes: &[String],
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        let found = Self::mapped(place, names, mapping)?;
        let label_of = |name: &String| {
            classes.iter().position(|class| class == name).map(|label| label as u32).ok_or_else(|| {
                DatasetError::UnknownClass {
                    folder: place.to_owned(),
                    class: name.clone(),
                    known: classes.join(", "),
                }
            })
        };
        let known = found.classes.iter().map(label_of).collect::<Result<Vec<u32>, _>>()?;
        let labels = found.labels.iter().map(|label| label.map(|label| known[label as usize]));
        Ok(Self { classes: classes.to_vec(), labels: labels.collect() })
    }

    fn mapped(
        place: &Path,
        names: &[String],
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        if mapping.is_empty() {
            let labels = (0..names.len() as u32).map(Some).collect();
            return Ok(Self { classes: names.to_vec(), labels });
        }
        let classes: Vec<String> = mapping.keys().cloned().collect();
        let mut labels: Vec<Option<u32>> = vec![None; names.len()];
        for (label, (class, wanted)) in mapping.iter().enumerate() {
            for name in wanted {
                let at = names.iter().position(|known| known == name);
                let at = at.ok_or_else(|| DatasetError::NoSuchName {
                    folder: place.to_owned(),
                    class: class.clone(),
                    name: name.clone(),
                    nearest: nearest(name, names.iter().map(String::as_str)).map(str::to_owned),
                })?;
                if let Some(first) = labels[at].replace(label as u32) {
                    return Err(DatasetError::MappedTwice {
                        name: name.clone(),
                        first: classes[first as usize].clone(),
                        second: class.clone(),
                    });
                }
            }
        }
        Ok(Self { classes, labels })
    }

    /// The names of the classes.
    pub(super) fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The class of one of the source's names.
    pub(super) fn label(&self, name: u32) -> Option<u32> {
        self.labels.get(name as usize).copied().flatten()
    }
}

/// Reads `class=name,name` as it stands on the command line.
///
/// # Errors
/// [`DatasetError::Mapping`].
pub fn parse_mapping(text: &str) -> Result<(String, Vec<String>), DatasetError> {
    let wrong = || DatasetError::Mapping { text: text.to_owned() };
    let (class, names) = text.split_once('=').ok_or_else(wrong)?;
    let names: Vec<String> = names.split(',').map(str::to_owned).collect();
    if class.is_empty() || names.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok((class.to_owned(), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(texts: &[&str]) -> BTreeMap<String, Vec<String>> {
        texts.iter().map(|text| parse_mapping(text).unwrap()).collect()
    }

    fn of_training(names: &[&str], texts: &[&str]) -> Result<ClassMap, DatasetError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        ClassMap::of_training(Path::new("/data"), &names, &mapping(texts))
    }

    #[test]
    fn every_name_is_a_class_without_a_mapping() {
        let map = of_training(&["cats", "dogs"], &[]).unwrap();
        assert_eq!(
            (map.classes(), map.label(1), map.label(2)),
            (&["cats", "dogs"].map(String::from)[..], Some(1), None)
        );
    }

    #[test]
    fn a_mapping_joins_names_into_classes_and_leaves_the_others_out() {
        let names = ["Leopards", "ant", "cougar_face", "dalmatian"];
        let map = of_training(&names, &["dog=dalmatian", "cat=Leopards,cougar_face"]).unwrap();
        assert_eq!(map.classes(), ["cat", "dog"]);
        assert_eq!([0, 1, 2, 3].map(|name| map.label(name)), [Some(0), None, Some(0), Some(1)]);
    }

    #[test]
    fn a_wrong_mapping_is_named_with_what_was_probably_meant() {
        let error = |texts: &[&str]| of_training(&["Leopards", "dalmatian"], texts).unwrap_err().to_string();
        assert!(error(&["cat=leopard", "dog=dalmatian"]).ends_with("is it `Leopards`?"));
        assert!(error(&["cat=Leopards", "dog=Leopards"]).contains("both `cat` and `dog`"));
        assert!(error(&["cat=Leopards"]).contains("only the class `cat`"));
        for text in ["cat", "=a", "cat=", "cat=a,,b"] {
            assert!(parse_mapping(text).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn an_unknown_class_is_refused() {
        let (names, classes) = (["birds", "cats"].map(String::from), ["cats", "dogs"].map(String::from));
        let error = ClassMap::for_classes(Path::new("/test"), &names, &classes, &BTreeMap::new());
        assert!(error.unwrap_err().to_string().contains("`birds`"));
    }
}
