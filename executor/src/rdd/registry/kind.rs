use std::fmt;

/// What a registered function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Transforms pictures.
    Operator,
    /// A [`Map`](crate::rdd::Map).
    Map,
    /// A [`Filter`](crate::rdd::Filter).
    Filter,
    /// A [`FlatMap`](crate::rdd::FlatMap).
    FlatMap,
    /// A [`MapPartitions`](crate::rdd::MapPartitions).
    MapPartitions,
    /// A [`MapValues`](crate::rdd::MapValues).
    MapValues,
    /// A [`FlatMapValues`](crate::rdd::FlatMapValues).
    FlatMapValues,
    /// A [`KeyBy`](crate::rdd::KeyBy).
    KeyBy,
    /// A [`ForEach`](crate::rdd::ForEach).
    ForEach,
    /// A [`Reduce`](crate::rdd::Reduce).
    Reduce,
    /// An [`Aggregate`](crate::rdd::Aggregate).
    Aggregate,
    /// A [`Combine`](crate::rdd::Combine).
    Combine,
}

impl Kind {
    /// Names the kind with its article.
    pub fn article(self) -> &'static str {
        match self {
            Self::Operator => "an operator on pictures",
            Self::Map => "a map",
            Self::Filter => "a filter",
            Self::FlatMap => "a flat map",
            Self::MapPartitions => "a map of partitions",
            Self::MapValues => "a map of values",
            Self::FlatMapValues => "a flat map of values",
            Self::KeyBy => "a key",
            Self::ForEach => "an action on each record",
            Self::Reduce => "a reduction",
            Self::Aggregate => "an aggregation",
            Self::Combine => "a combination",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.article())
    }
}
