/// What a drawn picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A cat.
    Cat,
    /// A dog.
    Dog,
}

impl Class {
    /// Both, in the order of their labels.
    pub const ALL: [Self; 2] = [Self::Cat, Self::Dog];

    /// The folder that its pictures are in.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Cat => "cats",
            Self::Dog => "dogs",
        }
    }
}
