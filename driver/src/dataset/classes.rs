use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use howdah_paramserver::role::nearest;

use super::DatasetError;

/// Which folder belongs to which class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClassMap {
    names: Vec<String>,
    folders: Vec<(String, u32)>,
}

impl ClassMap {
    /// The classes of a training folder: those of the mapping, or one per folder if the mapping is empty.
    pub(super) fn of_folder(
        root: &Path,
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        let there = subfolders(root)?;
        let map = if mapping.is_empty() {
            let folders = there.iter().cloned().zip(0..).collect();
            Self { names: there, folders }
        } else {
            Self::mapped(root, &there, mapping)?
        };
        if map.names.len() < 2 {
            let found = match &map.names[..] {
                [] => "no folder".to_owned(),
                [only, ..] => format!("only the class `{only}`"),
            };
            return Err(DatasetError::TooFewClasses { folder: root.to_owned(), found });
        }
        Ok(map)
    }

    /// The folders of classes that are known already, labelled by their places among them.
    pub(super) fn for_classes(
        root: &Path,
        classes: &[String],
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        let there = subfolders(root)?;
        let found = if mapping.is_empty() {
            Self { folders: there.iter().cloned().zip(0..).collect(), names: there }
        } else {
            Self::mapped(root, &there, mapping)?
        };
        let label_of = |name: &String| {
            classes.iter().position(|class| class == name).map(|label| label as u32).ok_or_else(|| {
                DatasetError::UnknownClass {
                    folder: root.to_owned(),
                    class: name.clone(),
                    known: classes.join(", "),
                }
            })
        };
        let labels = found.names.iter().map(label_of).collect::<Result<Vec<u32>, _>>()?;
        let folders = found.folders.into_iter().map(|(folder, place)| (folder, labels[place as usize]));
        Ok(Self { names: classes.to_vec(), folders: folders.collect() })
    }

    fn mapped(
        root: &Path,
        there: &[String],
        mapping: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, DatasetError> {
        let mut folders: Vec<(String, u32)> = Vec::new();
        let names: Vec<String> = mapping.keys().cloned().collect();
        for (label, (class, sources)) in mapping.iter().enumerate() {
            for name in sources {
                if let Some((_, first)) = folders.iter().find(|(known, _)| known == name) {
                    return Err(DatasetError::MappedTwice {
                        name: name.clone(),
                        first: names[*first as usize].clone(),
                        second: class.clone(),
                    });
                }
                if !there.contains(name) {
                    return Err(DatasetError::NoSuchFolder {
                        folder: root.to_owned(),
                        class: class.clone(),
                        name: name.clone(),
                        nearest: nearest(name, there.iter().map(String::as_str)).map(str::to_owned),
                    });
                }
                folders.push((name.clone(), label as u32));
            }
        }
        Ok(Self { names, folders })
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Folder names with the labels of their classes.
    pub(super) fn folders(&self) -> &[(String, u32)] {
        &self.folders
    }
}

/// Reads `class=folder,folder` as it stands on the command line.
///
/// # Errors
/// [`DatasetError::Mapping`].
pub fn parse_mapping(text: &str) -> Result<(String, Vec<String>), DatasetError> {
    let wrong = || DatasetError::Mapping { text: text.to_owned() };
    let (class, folders) = text.split_once('=').ok_or_else(wrong)?;
    let folders: Vec<String> = folders.split(',').map(str::to_owned).collect();
    if class.is_empty() || folders.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok((class.to_owned(), folders))
}

fn subfolders(root: &Path) -> Result<Vec<String>, DatasetError> {
    let unreadable = |error: std::io::Error| DatasetError::Unreadable {
        folder: root.to_owned(),
        reason: error.to_string(),
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let path: PathBuf = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| !name.starts_with('.') && path.is_dir()) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(folders: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        root
    }

    fn mapping(texts: &[&str]) -> BTreeMap<String, Vec<String>> {
        texts.iter().map(|text| parse_mapping(text).unwrap()).collect()
    }

    #[test]
    fn every_folder_is_a_class_in_the_order_of_names() {
        let root = root(&["dogs", "cats", ".git"]);
        let map = ClassMap::of_folder(root.path(), &BTreeMap::new()).unwrap();
        assert_eq!(map.names(), ["cats", "dogs"]);
    }

    #[test]
    fn a_mapping_joins_folders_into_classes_and_leaves_the_others_out() {
        let root = root(&["Leopards", "cougar_face", "dalmatian", "ant"]);
        let map = ClassMap::of_folder(root.path(), &mapping(&["dog=dalmatian", "cat=Leopards,cougar_face"]))
            .unwrap();
        assert_eq!(map.names(), ["cat", "dog"]);
        let folders = [("Leopards", 0), ("cougar_face", 0), ("dalmatian", 1)];
        assert_eq!(map.folders(), folders.map(|(name, label)| (name.to_owned(), label)));
    }

    #[test]
    fn a_wrong_mapping_is_named_with_what_was_probably_meant() {
        let root = root(&["Leopards", "dalmatian"]);
        let error =
            |texts: &[&str]| ClassMap::of_folder(root.path(), &mapping(texts)).unwrap_err().to_string();
        assert!(error(&["cat=leopard", "dog=dalmatian"]).ends_with("is it `Leopards`?"));
        assert!(error(&["cat=Leopards", "dog=Leopards"]).contains("both `cat` and `dog`"));
        assert!(error(&["cat=Leopards"]).contains("only the class `cat`"));
        for text in ["cat", "=a", "cat=", "cat=a,,b"] {
            assert!(parse_mapping(text).unwrap_err().to_string().contains(text));
        }
    }

    #[test]
    fn a_test_folder_with_an_unknown_class_is_refused() {
        let (train, test) = (root(&["cats", "dogs"]), root(&["cats", "birds"]));
        let map = ClassMap::of_folder(train.path(), &BTreeMap::new()).unwrap();
        let error = ClassMap::for_classes(test.path(), map.names(), &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("`birds`"), "{error}");
    }
}
