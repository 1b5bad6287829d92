//! A limit on the memory that a decoded value takes, whatever its few bytes claim.
//!
//! A frame is bounded, but what it decodes to is not by that alone: an op of six bytes takes hundreds in memory. So
//! each element of a list or map is paid for with its size before it is decoded, out of a budget for the whole value.
//! All else that a value holds lies within those elements, or takes no more than the bytes it came in; so do elements
//! of one byte, which are most of what comes and cost nothing here.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::cell::Cell;
use std::fmt;

/// Bytes of memory that may still be taken.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget(Cell::new(bytes))
    }

    pub(super) fn left(&self) -> usize {
        self.0.get()
    }

    /// Takes the memory of one `T`.
    fn take<T, E: Error>(&self) -> Result<(), E> {
        if size_of::<T>() <= 1 {
            return Ok(());
        }
        let left = self.left().checked_sub(size_of::<T>());
        self.0.set(left.ok_or_else(|| E::custom("it takes more memory than it may"))?);
        Ok(())
    }
}

/// Anything of serde's, with what is decoded through it paid for.
pub(super) struct Paid<'b, T> {
    inner: T,
    budget: &'b Budget,
    /// Whether elements come one after the other in memory of their own, rather than as fields of one value.
    listed: bool,
}

impl<'b, T> Paid<'b, T> {
    pub(super) fn new(inner: T, budget: &'b Budget) -> Paid<'b, T> {
        Paid { inner, budget, listed: false }
    }

    fn listed(inner: T, budget: &'b Budget) -> Paid<'b, T> {
        Paid { inner, budget, listed: true }
    }

    fn pay<V, E: Error>(&self) -> Result<(), E> {
        if self.listed { self.budget.take::<V, E>() } else { Ok(()) }
    }
}

/// What holds nothing else needs no watching.
macro_rules! plain {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Paid<'_, D> {
    type Error = D::Error;

    plain! {
        deserialize_any deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(Paid::new(visitor, self.budget))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, Paid::new(visitor, self.budget))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_seq(Paid::listed(visitor, self.budget))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Paid::listed(visitor, self.budget))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(len, Paid::new(visitor, self.budget))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple_struct(name, len, Paid::new(visitor, self.budget))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, Paid::new(visitor, self.budget))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, Paid::new(visitor, self.budget))
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Paid<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Paid::new(from, self.budget))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Paid::new(from, self.budget))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Paid { inner: elements, budget: self.budget, listed: self.listed })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Paid { inner: entries, budget: self.budget, listed: self.listed })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Paid::new(variant, self.budget))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Paid<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        if self.inner.size_hint() != Some(0) {
            self.pay::<T::Value, A::Error>()?;
        }
        self.inner.next_element_seed(Paid::new(seed, self.budget))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Paid<'_, A> {
    type Error = A::Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        if self.inner.size_hint() != Some(0) {
            self.pay::<T::Value, A::Error>()?;
        }
        self.inner.next_key_seed(Paid::new(seed, self.budget))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.pay::<T::Value, A::Error>()?;
        self.inner.next_value_seed(Paid::new(seed, self.budget))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Paid<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Paid::new(from, self.budget))
    }
}

impl<'de, 'b, A: EnumAccess<'de>> EnumAccess<'de> for Paid<'b, A> {
    type Error = A::Error;
    type Variant = Paid<'b, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let (index, fields) = self.inner.variant_seed(seed)?;
        Ok((index, Paid::new(fields, self.budget)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Paid<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(Paid::new(seed, self.budget))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Paid::new(visitor, self.budget))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner.struct_variant(fields, Paid::new(visitor, self.budget))
    }
}
