//! Objects of devices that the reader looks for, and what AML says about them.
use crate::cursor::Cursor;
use crate::path::Segment;
use crate::{Value, opcode};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The name of an object of a device.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum ObjectName {
            $($(#[$doc])* $name,)*
        }

        impl ObjectName {
            /// All names, in the order of the enum.
            pub const ALL: [Self; [$($text,)*].len()] = [$(Self::$name,)*];

            /// Returns the name in the namespace.
            #[must_use]
            pub const fn segment(self) -> Segment {
                match self {
                    $(Self::$name => Segment(*$text),)*
                }
            }
        }
    };
}

names! {
    /// Hardware ID: an EISA id or a string (§6.1.5).
    Hid = b"_HID",
    /// Compatible ID: like `_HID`, or a package of several (§6.1.2).
    Cid = b"_CID",
    /// Unique ID among the devices with the same `_HID`: an integer or a string (§6.1.12).
    Uid = b"_UID",
    /// Address on the parent's bus. On PCI, the device's number is in the upper 16 bits, the function's in the lower (§6.1.1).
    Adr = b"_ADR",
    /// Base bus number: the number of a host bridge's first bus (§6.5.5).
    Bbn = b"_BBN",
    /// The PCI segment group of a host bridge (§6.5.6).
    Seg = b"_SEG",
    /// The proximity domain of the device and of the devices below it (§6.2.14).
    Pxm = b"_PXM",
    /// Current resource settings: a buffer of resource descriptors (§6.2.2).
    Crs = b"_CRS",
    /// The PCI routing table: a package of packages (§6.2.13).
    Prt = b"_PRT",
}

impl ObjectName {
    pub(crate) fn of(segment: Segment) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.segment() == segment)
    }

    /// Returns true if the object may have a value of this type.
    pub(crate) const fn accepts(self, value: &Value<'_>) -> bool {
        match self {
            Self::Hid | Self::Uid => matches!(value, Value::Integer(_) | Value::Text(_)),
            Self::Cid => !matches!(value, Value::Buffer(_)),
            Self::Adr | Self::Bbn | Self::Seg | Self::Pxm => matches!(value, Value::Integer(_)),
            Self::Crs => matches!(value, Value::Buffer(_)),
            Self::Prt => matches!(value, Value::Package(_)),
        }
    }

    /// Returns the highest integer that the object may have.
    pub(crate) const fn limit(self) -> u64 {
        match self {
            Self::Bbn => 0xff,
            Self::Seg => 0xffff,
            Self::Pxm => 0xffff_ffff,
            _ => u64::MAX,
        }
    }
}

/// How AML defines an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Definition<'a> {
    /// AML does not define the object.
    Absent,
    /// The object is a constant.
    Constant(Value<'a>),
    /// The object is a method. Its value is known only to an interpreter.
    Method(Method<'a>),
    /// The object is neither a constant nor a method, for example another name of a method, or its value is invalid.
    Unusable,
}

/// A method that is not executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Method<'a> {
    /// The number of arguments.
    pub arguments: u8,
    body: &'a [u8],
    wide: bool,
}

impl<'a> Method<'a> {
    pub(crate) const fn new(flags: u8, body: &'a [u8], wide: bool) -> Self {
        Self { arguments: flags & 7, body, wide }
    }

    /// Returns the constant that every call returns, if the method's body is a single `Return` of a constant.
    #[must_use]
    pub fn constant(&self) -> Option<Value<'a>> {
        let mut cursor = Cursor::new(self.body, 0);
        (cursor.byte().ok()? == opcode::RETURN).then_some(())?;
        let value = Value::read(&mut cursor, self.wide).ok()??;
        (cursor.at == cursor.end).then_some(value)
    }
}

/// One object of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object<'a> {
    /// How AML defines the object.
    pub definition: Definition<'a>,
    /// True if the definition is inside `If`, `Else` or `While`. Then the object may be absent or different. If only the whole
    /// device is inside one, its objects exist if the device does.
    pub is_conditional: bool,
    /// The definition block: 0 for the DSDT, or the SSDT's number, counted from 1.
    pub block: u32,
    /// The offset of the definition in that table.
    pub offset: u32,
}

impl Object<'_> {
    /// An object that AML does not define.
    pub const ABSENT: Self =
        Self { definition: Definition::Absent, is_conditional: false, block: 0, offset: 0 };
}

/// What is known about an object's value without executing AML.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Answer<T> {
    /// The object does not exist.
    Absent,
    /// The value is certain: the object is a constant, or a method whose body is a single `Return` of a constant.
    Constant(T),
    /// A method computes the value.
    Method,
    /// The object's existence or value depends on a condition, or on which of two definitions of its device exists.
    Conditional,
    /// The object is neither a constant nor a method, or its value is invalid.
    Unusable,
}

impl<T> Answer<T> {
    /// Returns the value if it is certain.
    pub fn constant(self) -> Option<T> {
        match self {
            Self::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// Converts a certain value. The answer is [`Answer::Unusable`] if `convert` returns `None`.
    pub fn and_then<U>(self, convert: impl FnOnce(T) -> Option<U>) -> Answer<U> {
        match self {
            Self::Absent => Answer::Absent,
            Self::Constant(value) => convert(value).map_or(Answer::Unusable, Answer::Constant),
            Self::Method => Answer::Method,
            Self::Conditional => Answer::Conditional,
            Self::Unusable => Answer::Unusable,
        }
    }
}
