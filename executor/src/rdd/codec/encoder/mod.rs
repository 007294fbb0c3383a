mod fields;

use serde::{Serialize, Serializer};

use self::fields::{Fields, Pair};
use super::{ABSENT, CodecError, MAX_DEPTH, PRESENT};

pub(super) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<usize, CodecError> {
    let start = out.len();
    let mut encoder = Encoder { out, key_len: None, depth: 0 };
    value.serialize(&mut encoder)?;
    Ok(encoder.key_len.unwrap_or(encoder.out.len() - start))
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    /// The length of the first element, if what ended last is a pair: at the end, that is the whole value.
    key_len: Option<usize>,
    depth: u32,
}

type Done = Result<(), CodecError>;

impl Encoder<'_> {
    fn put(&mut self, bytes: &[u8]) -> Done {
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn variant(&mut self, index: u32) -> Done {
        match u8::try_from(index) {
            Ok(byte) if byte < 0xFF => self.put(&[byte]),
            _ => {
                self.out.push(0xFF);
                self.put(&index.to_be_bytes())
            }
        }
    }

    fn descend(&mut self) -> Done {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(CodecError::Depth) } else { Ok(()) }
    }

    fn ascend(&mut self, key_len: Option<usize>) -> Done {
        self.depth -= 1;
        self.key_len = key_len;
        Ok(())
    }

    fn escaped(&mut self, mut bytes: &[u8]) -> Done {
        self.out.reserve(bytes.len() + 2);
        while let Some(zero) = memchr::memchr(0, bytes) {
            self.out.extend_from_slice(&bytes[..zero]);
            bytes = &bytes[zero..];
            // Zeros come in runs, which a search for each of them would make slow.
            while let [0, rest @ ..] = bytes {
                self.out.extend_from_slice(&[0, 0xFF]);
                bytes = rest;
            }
        }
        self.out.extend_from_slice(bytes);
        self.put(&[0, 0])
    }
}

macro_rules! unsigned {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Done {
            self.put(&value.to_be_bytes())
        }
    )*};
}

macro_rules! signed {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Done {
            self.put(&(value ^ <$type>::MIN).to_be_bytes())
        }
    )*};
}

impl<'e, 'a> Serializer for &'e mut Encoder<'a> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Fields<'e, 'a>;
    type SerializeTuple = Fields<'e, 'a>;
    type SerializeTupleStruct = Fields<'e, 'a>;
    type SerializeTupleVariant = Fields<'e, 'a>;
    type SerializeMap = Fields<'e, 'a>;
    type SerializeStruct = Fields<'e, 'a>;
    type SerializeStructVariant = Fields<'e, 'a>;

    unsigned! { serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) }
    signed! { serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128) }

    fn serialize_bool(self, value: bool) -> Done {
        self.put(&[u8::from(value)])
    }

    fn serialize_f32(self, value: f32) -> Done {
        let bits = value.to_bits();
        let flip = if value.is_sign_negative() { u32::MAX } else { 1 << 31 };
        self.put(&(bits ^ flip).to_be_bytes())
    }

    fn serialize_f64(self, value: f64) -> Done {
        let bits = value.to_bits();
        let flip = if value.is_sign_negative() { u64::MAX } else { 1 << 63 };
        self.put(&(bits ^ flip).to_be_bytes())
    }

    fn serialize_char(self, value: char) -> Done {
        self.put(&u32::from(value).to_be_bytes())
    }

    fn serialize_str(self, value: &str) -> Done {
        self.escaped(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.escaped(value)
    }

    fn serialize_none(self) -> Done {
        self.put(&[ABSENT])
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.out.push(PRESENT);
        self.descend()?;
        value.serialize(&mut *self)?;
        self.ascend(None)
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Done {
        self.variant(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        self.descend()?;
        value.serialize(&mut *self)?;
        self.ascend(self.key_len)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        self.variant(index)?;
        self.descend()?;
        value.serialize(&mut *self)?;
        self.ascend(None)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Fields<'e, 'a>, CodecError> {
        Fields::begin(self)
    }

    fn serialize_tuple(self, len: usize) -> Result<Fields<'e, 'a>, CodecError> {
        let pair = (len == 2).then_some(Pair { start: self.out.len(), first: None });
        Ok(Fields { pair, ..Fields::begin(self)? })
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Fields<'e, 'a>, CodecError> {
        Fields::begin(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'e, 'a>, CodecError> {
        self.variant(index)?;
        Fields::begin(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'e, 'a>, CodecError> {
        Fields::begin(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'e, 'a>, CodecError> {
        Fields::begin(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'e, 'a>, CodecError> {
        self.variant(index)?;
        Fields::begin(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}
