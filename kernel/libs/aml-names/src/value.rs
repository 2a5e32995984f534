//! Constant values of objects: integers, strings, buffers and packages (ACPI 6.5 §20.2.3).
use crate::cursor::Cursor;
use crate::name_string::NameString;
use crate::opcode;
use crate::unreadable::Unreadable;

/// A value that AML states as a constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// An integer. EISA ids are integers, too: see [`EisaId`](crate::EisaId).
    Integer(u64),
    /// A string, without the zero byte at its end.
    Text(&'a [u8]),
    /// A buffer.
    Buffer(Buffer<'a>),
    /// A package.
    Package(Package<'a>),
}

/// A buffer whose size is a constant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer<'a> {
    /// The buffer's size in bytes. The bytes after those in [`Buffer::bytes`] are zeros.
    pub size: u64,
    /// The bytes that AML states, at most `size`.
    pub bytes: &'a [u8],
}

/// A package, read element by element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Package<'a> {
    /// The number of elements. Those that AML does not state are uninitialized.
    pub count: u8,
    bytes: &'a [u8],
    wide: bool,
}

/// An element of a package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Element<'a> {
    /// A constant.
    Value(Value<'a>),
    /// The name of an object.
    Name(NameString<'a>),
}

/// The elements of a [`Package`] that AML states, up to the first that cannot be read.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    cursor: Cursor<'a>,
    left: u8,
    wide: bool,
}

impl<'a> Package<'a> {
    /// Iterates over the elements. The iterator ends early if an element cannot be read.
    #[must_use]
    pub const fn elements(&self) -> Elements<'a> {
        Elements { cursor: Cursor::new(self.bytes, 0), left: self.count, wide: self.wide }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        let element = match Value::read(&mut self.cursor, self.wide) {
            Ok(Some(value)) => Some(Element::Value(value)),
            Ok(None) => self.cursor.name().ok().map(Element::Name),
            Err(_) => None,
        };
        if element.is_none() {
            self.left = 0;
        }
        element
    }
}

impl<'a> Value<'a> {
    /// Reads the constant at the cursor and passes it. Returns `None` at the same position if there is no constant.
    ///
    /// Integers have 64 bits if `wide` is true, and 32 otherwise.
    pub(crate) fn read(cursor: &mut Cursor<'a>, wide: bool) -> Result<Option<Self>, Unreadable> {
        let start = cursor.at;
        let integer = |value: u64| Self::Integer(if wide { value } else { value & 0xffff_ffff });
        let value = match cursor.byte()? {
            opcode::ZERO => integer(0),
            opcode::ONE => integer(1),
            opcode::ONES => integer(u64::MAX),
            opcode::BYTE => integer(cursor.integer(1)?),
            opcode::WORD => integer(cursor.integer(2)?),
            opcode::DWORD => integer(cursor.integer(4)?),
            opcode::QWORD => integer(cursor.integer(8)?),
            opcode::STRING => Self::Text(cursor.string()?),
            byte @ (opcode::BUFFER | opcode::PACKAGE) => {
                let end = cursor.extent()?.end;
                if end > cursor.end {
                    return Err(Unreadable::Cut);
                }
                let mut inside = *cursor;
                inside.end = end;
                let value = if byte == opcode::BUFFER {
                    Self::buffer(&mut inside)?
                } else {
                    Some(Self::Package(Package { count: inside.byte()?, bytes: inside.rest(), wide }))
                };
                cursor.at = if value.is_some() { end } else { start };
                return Ok(value);
            }
            _ => {
                cursor.at = start;
                return Ok(None);
            }
        };
        Ok(Some(value))
    }

    /// Reads the content of a buffer, or returns `None` if its size is not a constant.
    fn buffer(inside: &mut Cursor<'a>) -> Result<Option<Self>, Unreadable> {
        let size = match inside.byte()? {
            opcode::ZERO => 0,
            opcode::ONE => 1,
            opcode::BYTE => inside.integer(1)?,
            opcode::WORD => inside.integer(2)?,
            opcode::DWORD => inside.integer(4)?,
            opcode::QWORD => inside.integer(8)?,
            _ => return Ok(None),
        };
        let stated = inside.rest();
        let used = stated.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Some(Self::Buffer(Buffer { size, bytes: stated.get(..used).unwrap_or_default() })))
    }

    /// Returns the integer, or `None` if the value is none.
    #[must_use]
    pub const fn integer(&self) -> Option<u64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }
}
