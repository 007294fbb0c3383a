use std::{collections::HashMap, path::PathBuf, sync::Arc};

use howdah_executor::source::{ObjectRef, Part, Place};

use super::PictureFile;

/// The pictures of a source, with its own names for classes.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Labels are places among these.
    names: Vec<String>,
    places: HashMap<String, u32>,
    declared: bool,
    found: Vec<Found>,
    skipped: Vec<(String, String)>,
}

/// A picture, and whether the source itself holds it out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: PictureFile,
    pub(super) held_out: bool,
}

/// A listing in its final order.
#[derive(Debug)]
pub(super) struct Listed {
    /// The source's names of classes, in the order of labels.
    pub(super) names: Vec<String>,
    /// The pictures, in the order of their names.
    pub(super) found: Vec<Found>,
    /// Names that can't be used, with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

impl Listing {
    /// Has the names that the source declares for its labels.
    pub(super) fn declared(names: Vec<String>) -> Self {
        let places = names.iter().cloned().zip(0..).collect();
        Self { names, places, declared: true, ..Self::default() }
    }

    /// How many names have been declared, or met so far.
    pub(super) fn names(&self) -> usize {
        self.names.len()
    }

    /// The label of a class name, which is new if it hasn't been met.
    pub(super) fn label(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.places.insert(name.to_owned(), place);
        place
    }

    pub(super) fn push(&mut self, file: PictureFile, held_out: bool) {
        self.found.push(Found { file, held_out });
    }

    /// Takes a picture that is part of a file or object.
    pub(super) fn push_part(
        &mut self,
        object: &Arc<ObjectRef>,
        place: Place,
        picture: PartName,
        held_out: bool,
    ) {
        let PartName { relative, label, bytes } = picture;
        let path = match place {
            Place::Whole => PathBuf::from(&object.location),
            _ => PathBuf::from(format!("{}/{relative}", object.location)),
        };
        let part = Some(Part { object: object.clone(), place });
        let modified_unix_ns = object.modified_unix_ns;
        self.push(PictureFile { path, relative, label, bytes, modified_unix_ns, part }, held_out);
    }

    pub(super) fn skip(&mut self, name: String, reason: impl Into<String>) {
        self.skipped.push((name, reason.into()));
    }

    /// Orders names and pictures. Numbers are ordered by value, if all names are numbers. Pictures of the same name in
    /// several objects get the objects' names; the second in one object is left out.
    pub(super) fn finish(mut self) -> Listed {
        if !self.declared {
            self.order_names();
        }
        let key = |found: &Found| {
            let part = found.file.part.as_ref();
            part.map(|part| part.object.location.clone())
        };
        // Stable, so that the first in an object stays the first.
        self.found.sort_by(|a, b| a.file.relative.cmp(&b.file.relative));
        let same = |pair: &[Found]| pair[0].file.relative == pair[1].file.relative;
        if self.found.windows(2).any(|pair| same(pair) && key(&pair[0]) != key(&pair[1])) {
            for found in &mut self.found {
                if let Some(part) = &found.file.part {
                    let location = part.object.location.as_str();
                    let name = location.rsplit('/').next().unwrap_or(location);
                    found.file.relative = format!("{name}/{}", found.file.relative);
                }
            }
            self.found.sort_by(|a, b| a.file.relative.cmp(&b.file.relative));
        }
        let mut kept: Vec<Found> = Vec::with_capacity(self.found.len());
        for found in self.found {
            let twice = kept.last().is_some_and(|last| last.file.relative == found.file.relative);
            if twice && found.file.part.is_some() {
                let path = found.file.path.to_string_lossy().into_owned();
                self.skipped.push((path, "its name is there twice".to_owned()));
            } else {
                kept.push(found);
            }
        }
        Listed { names: self.names, found: kept, skipped: self.skipped }
    }

    fn order_names(&mut self) {
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        let number = |place: &u32| self.names[*place as usize].parse::<u64>().ok();
        if order.iter().all(|place| number(place).is_some()) {
            order.sort_by_key(|place| (number(place), self.names[*place as usize].clone()));
        } else {
            order.sort_by_key(|place| self.names[*place as usize].clone());
        }
        let mut moved = vec![0; order.len()];
        for (to, from) in order.iter().enumerate() {
            moved[*from as usize] = to as u32;
        }
        for found in &mut self.found {
            found.file.label = moved[found.file.label as usize];
        }
        self.names = order.iter().map(|place| self.names[*place as usize].clone()).collect();
    }
}

/// What a picture is called that is part of something larger.
#[derive(Debug)]
pub(super) struct PartName {
    pub(super) relative: String,
    pub(super) label: u32,
    pub(super) bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(location: &str) -> Arc<ObjectRef> {
        Arc::new(ObjectRef { location: location.to_owned(), bytes: 10, modified_unix_ns: 0, etag: None })
    }

    fn listed(pictures: &[(&str, &str, &str)]) -> Listed {
        let mut listing = Listing::default();
        for (location, relative, class) in pictures {
            let label = listing.label(class);
            let name = PartName { relative: (*relative).to_owned(), label, bytes: 1 };
            listing.push_part(&object(location), Place::Range { offset: 0, bytes: 1 }, name, false);
        }
        listing.finish()
    }

    fn names(listed: &Listed) -> Vec<(&str, u32)> {
        listed.found.iter().map(|found| (found.file.relative.as_str(), found.file.label)).collect()
    }

    #[test]
    fn numbers_are_ordered_by_value_and_other_names_as_text() {
        let numbers = listed(&[("/a", "x", "10"), ("/a", "y", "9")]);
        assert_eq!(names(&numbers), [("x", 1), ("y", 0)]);
        assert_eq!(numbers.names, ["9", "10"]);
        assert_eq!(listed(&[("/a", "x", "b9"), ("/a", "y", "b10")]).names, ["b10", "b9"]);
    }

    #[test]
    fn the_second_of_a_name_in_an_object_is_left_out_and_those_of_other_objects_are_told_apart() {
        let one = listed(&[("/a.tar", "x", "0"), ("/a.tar", "x", "1")]);
        assert_eq!((names(&one), one.skipped.len()), (vec![("x", 0)], 1));
        let two = listed(&[("/b.tar", "x", "0"), ("/a.tar", "x", "1")]);
        assert_eq!((names(&two), two.skipped.len()), (vec![("a.tar/x", 1), ("b.tar/x", 0)], 0));
    }
}
