use howdah_proto::event::Event;

/// How many pictures of each class there are, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PictureCounts {
    /// Those that are trained on.
    pub train: Vec<u64>,
    /// Those that choose the epoch; empty if there are none.
    pub validation: Vec<u64>,
    /// Those that are held out.
    pub test: Vec<u64>,
}

impl PictureCounts {
    /// What an event tells of the pictures, if it is about them.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::DatasetListed { train, test, validation, .. } => {
                Some(Self { train: train.clone(), validation: validation.clone(), test: test.clone() })
            }
            _ => None,
        }
    }
}
