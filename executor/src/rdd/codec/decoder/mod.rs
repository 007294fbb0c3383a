mod access;

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
};

use self::access::{Fields, List};
use super::{ABSENT, CodecError, MAX_DEPTH, PRESENT};

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut decoder = Decoder { rest: bytes, depth: 0 };
    let value = T::deserialize(&mut decoder)?;
    if decoder.rest.is_empty() { Ok(value) } else { Err(CodecError::Rest(decoder.rest.len())) }
}

struct Decoder<'de> {
    rest: &'de [u8],
    depth: u32,
}

impl<'de> Decoder<'de> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(CodecError::CutOff { needed: N - self.rest.len() });
        };
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads a byte that says whether something follows.
    fn follows(&mut self, expected: &'static str) -> Result<bool, CodecError> {
        match self.take()? {
            [ABSENT] => Ok(false),
            [PRESENT] => Ok(true),
            [got] => Err(CodecError::Byte { expected, got }),
        }
    }

    fn variant(&mut self) -> Result<u32, CodecError> {
        let [byte] = self.take()?;
        if byte < 0xFF {
            return Ok(u32::from(byte));
        }
        let index = u32::from_be_bytes(self.take()?);
        if index < 0xFF {
            return Err(CodecError::Byte { expected: "a variant", got: byte });
        }
        Ok(index)
    }

    fn unescaped(&mut self) -> Result<Cow<'de, [u8]>, CodecError> {
        let mut whole: Vec<u8> = Vec::new();
        loop {
            let zero = memchr::memchr(0, self.rest).ok_or(CodecError::CutOff { needed: 2 })?;
            let (part, rest) = self.rest.split_at(zero);
            match rest.get(1) {
                Some(0) => {
                    self.rest = &rest[2..];
                    if whole.is_empty() {
                        return Ok(Cow::Borrowed(part));
                    }
                    whole.extend_from_slice(part);
                    return Ok(Cow::Owned(whole));
                }
                Some(0xFF) => {
                    self.rest = &rest[2..];
                    whole.extend_from_slice(part);
                    whole.push(0);
                }
                Some(&got) => return Err(CodecError::Byte { expected: "the rest of a string", got }),
                None => return Err(CodecError::CutOff { needed: 1 }),
            }
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, CodecError>) -> Result<T, CodecError> {
        if self.depth == MAX_DEPTH {
            return Err(CodecError::Depth);
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn fields<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper(|decoder| visitor.visit_seq(Fields { decoder, left, first: None }))
    }

    fn pair<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper(|decoder| {
            let mut first = 0;
            let value = visitor.visit_seq(Fields { decoder, left: 2, first: Some(&mut first) })?;
            let expected = u32::from_be_bytes(decoder.take()?);
            if expected as usize == first {
                Ok(value)
            } else {
                Err(CodecError::Pair { expected, got: first })
            }
        })
    }
}

macro_rules! unsigned {
    ($($method:ident($type:ty) -> $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            visitor.$visit(<$type>::from_be_bytes(self.take()?))
        }
    )*};
}

macro_rules! signed {
    ($($method:ident($type:ty) -> $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            visitor.$visit(<$type>::from_be_bytes(self.take()?) ^ <$type>::MIN)
        }
    )*};
}

macro_rules! unsupported {
    ($($method:ident: $what:literal)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
            Err(CodecError::Unsupported($what))
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    unsigned! {
        deserialize_u8(u8) -> visit_u8
        deserialize_u16(u16) -> visit_u16
        deserialize_u32(u32) -> visit_u32
        deserialize_u64(u64) -> visit_u64
        deserialize_u128(u128) -> visit_u128
    }
    signed! {
        deserialize_i8(i8) -> visit_i8
        deserialize_i16(i16) -> visit_i16
        deserialize_i32(i32) -> visit_i32
        deserialize_i64(i64) -> visit_i64
        deserialize_i128(i128) -> visit_i128
    }
    unsupported! {
        deserialize_any: "untagged or flattened values"
        deserialize_ignored_any: "values that are passed over"
        deserialize_identifier: "named fields"
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_bool(self.follows("a truth value")?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let bits = u32::from_be_bytes(self.take()?);
        let flip = if bits >> 31 == 0 { u32::MAX } else { 1 << 31 };
        visitor.visit_f32(f32::from_bits(bits ^ flip))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let bits = u64::from_be_bytes(self.take()?);
        let flip = if bits >> 63 == 0 { u64::MAX } else { 1 << 63 };
        visitor.visit_f64(f64::from_bits(bits ^ flip))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let code = u32::from_be_bytes(self.take()?);
        visitor.visit_char(char::from_u32(code).ok_or(CodecError::Utf8)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.unescaped()? {
            Cow::Borrowed(bytes) => {
                visitor.visit_borrowed_str(std::str::from_utf8(bytes).map_err(|_| CodecError::Utf8)?)
            }
            Cow::Owned(bytes) => {
                visitor.visit_string(String::from_utf8(bytes).map_err(|_| CodecError::Utf8)?)
            }
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.unescaped()? {
            Cow::Borrowed(bytes) => visitor.visit_borrowed_bytes(bytes),
            Cow::Owned(bytes) => visitor.visit_byte_buf(bytes),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.follows("an optional value")? {
            self.deeper(|decoder| visitor.visit_some(decoder))
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.deeper(|decoder| visitor.visit_newtype_struct(decoder))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper(|decoder| visitor.visit_seq(List::new(decoder)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deeper(|decoder| visitor.visit_map(List::new(decoder)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, CodecError> {
        if len == 2 { self.pair(visitor) } else { self.fields(len, visitor) }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.fields(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.fields(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
