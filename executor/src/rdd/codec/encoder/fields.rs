use serde::{
    Serialize,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use super::{ABSENT, CodecError, Done, Encoder, PRESENT};
use crate::rdd::RecordTooLarge;

/// Several values one after the other.
pub(super) struct Fields<'e, 'a> {
    pub(super) encoder: &'e mut Encoder<'a>,
    /// What a pair must know of its first element; none for anything else.
    pub(super) pair: Option<Pair>,
}

/// Where a pair begins, and how long its first element is.
pub(super) struct Pair {
    pub(super) start: usize,
    pub(super) first: Option<usize>,
}

impl<'e, 'a> Fields<'e, 'a> {
    pub(super) fn begin(encoder: &'e mut Encoder<'a>) -> Result<Self, CodecError> {
        encoder.descend()?;
        Ok(Self { encoder, pair: None })
    }

    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut *self.encoder)?;
        if let Some(Pair { start, first: first @ None }) = &mut self.pair {
            *first = Some(self.encoder.out.len() - *start);
        }
        Ok(())
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.encoder.out.push(PRESENT);
        value.serialize(&mut *self.encoder)
    }

    fn finish(self) -> Done {
        let Some(pair) = self.pair else { return self.encoder.ascend(None) };
        let first = pair.first.ok_or(CodecError::Unsupported("a pair that isn't complete"))?;
        let trailer = u32::try_from(first).map_err(|_| RecordTooLarge { bytes: first })?;
        self.encoder.put(&trailer.to_be_bytes())?;
        self.encoder.ascend(Some(first))
    }

    fn finish_list(self) -> Done {
        self.encoder.out.push(ABSENT);
        self.encoder.ascend(None)
    }
}

impl SerializeSeq for Fields<'_, '_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.element(value)
    }

    fn end(self) -> Done {
        self.finish_list()
    }
}

impl SerializeMap for Fields<'_, '_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.element(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.field(value)
    }

    fn end(self) -> Done {
        self.finish_list()
    }
}

impl SerializeTuple for Fields<'_, '_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.field(value)
    }

    fn end(self) -> Done {
        self.finish()
    }
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl $trait for Fields<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.field(value)
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

fields! { SerializeTupleStruct SerializeTupleVariant }

macro_rules! named_fields {
    ($($trait:ident)*) => {$(
        impl $trait for Fields<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Done {
                self.field(value)
            }

            fn skip_field(&mut self, _: &'static str) -> Done {
                Err(CodecError::Unsupported("fields that are left out now and then"))
            }

            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

named_fields! { SerializeStruct SerializeStructVariant }
