//! Walks the terms of a definition block, and finds devices and their objects (ACPI 6.5 §20.2.5).
//!
//! The walk is flat. AML writes an operator in front of its operands, each of which is a term or a constant itself. So the
//! walk needs to know only how many bytes a term has beside its operands, not how many operands it has: a method's call has as
//! many as the method has arguments, which only the whole namespace could tell. The walk enters scopes, devices and conditions,
//! and skips methods, fields, buffers and packages by their lengths. Each step passes at least one byte or leaves a package.
use acpi_tables::{AmlFault, AmlFaultKind, DefinitionBlock, Finding, Findings};

use crate::cursor::Cursor;
use crate::frame::{Frame, Kind, Known, scope_of};
use crate::name_string::NameString;
use crate::object::{Definition, Method, ObjectName};
use crate::opcode::{self, extended, is_operator};
use crate::path::{MAX_SEGMENTS, Path, Segment, is_lead};
use crate::unreadable::Unreadable;
use crate::value::Value;

/// How deep packages may be nested. Real firmware nests them up to 12 deep or so.
pub const MAX_NESTING: usize = 32;

/// The name of the object `\_S5` (ACPI 6.5 §7.4.2).
const SOFT_OFF: Segment = Segment(*b"_S5_");

/// What the walk finds.
pub(crate) enum Term<'a> {
    /// A device. The walk is inside it.
    Device { path: Path, offset: usize, is_conditional: bool },
    /// An object whose name is an [`ObjectName`].
    Object { scope: Path, name: ObjectName, definition: Definition<'a>, offset: usize, is_conditional: bool },
    /// The constant `\_S5`. Only a walk of the root finds it.
    SoftOff { value: Value<'a> },
}

/// The state of a walk.
pub(crate) struct Walk<'a> {
    block: DefinitionBlock<'a>,
    /// True if integers have 64 bits.
    wide: bool,
    cursor: Cursor<'a>,
    frames: [Frame; MAX_NESTING],
    depth: usize,
    /// True if the walk enters no scope but the root.
    is_of_root: bool,
    /// The number of steps so far.
    pub steps: u64,
}

impl<'a> Walk<'a> {
    /// Starts at the block's first term.
    pub fn new(block: DefinitionBlock<'a>, wide: bool) -> Self {
        let cursor = Cursor::new(block.bytes, DefinitionBlock::AML_OFFSET);
        let root = Frame {
            end: cursor.end,
            scope: Path::ROOT,
            is_other: false,
            is_conditional: false,
            in_condition: false,
        };
        Self { block, wide, cursor, frames: [root; MAX_NESTING], depth: 1, is_of_root: false, steps: 0 }
    }

    /// Starts at the block's first term, for a walk that finds `\_S5` and skips what is in other scopes than the root.
    pub fn of_root(block: DefinitionBlock<'a>) -> Self {
        Self { is_of_root: true, ..Self::new(block, true) }
    }

    /// Returns the next device or object.
    ///
    /// `known` decides which object a single name after `Scope` names, because AML looks for it in all scopes around.
    pub fn next(&mut self, known: Known<'_>, findings: &mut dyn Findings) -> Option<Term<'a>> {
        loop {
            self.steps += 1;
            let frame = *self.frames.get(self.depth.checked_sub(1)?)?;
            if self.cursor.at >= frame.end {
                self.depth -= 1;
                continue;
            }
            self.cursor.end = frame.end;
            let start = self.cursor.at;
            match self.term(&frame, known, findings) {
                Ok(Some(term)) => return Some(term),
                Ok(None) => {}
                Err(unreadable) => {
                    self.report(start, self.fault(unreadable, frame.end - start), findings);
                    self.cursor.at = frame.end;
                }
            }
        }
    }

    /// Reports a fault at an offset of the block.
    pub fn report(&self, offset: usize, kind: AmlFaultKind, findings: &mut dyn Findings) {
        let fault = AmlFault { block: self.block.number, kind };
        findings.report(Finding::new(self.block.signature(), offset as u32, fault));
    }

    /// Returns the definition block.
    pub const fn block(&self) -> &DefinitionBlock<'a> {
        &self.block
    }

    const fn fault(&self, unreadable: Unreadable, skipped: usize) -> AmlFaultKind {
        let skipped = skipped as u32;
        match unreadable {
            Unreadable::Cut => AmlFaultKind::Cut { skipped },
            Unreadable::Opcode(byte) => AmlFaultKind::Opcode { byte, skipped },
            Unreadable::Name => AmlFaultKind::Name { skipped },
            Unreadable::Length(length) => AmlFaultKind::LengthShort { length, skipped },
            Unreadable::AboveRoot => AmlFaultKind::AboveRoot { skipped },
            Unreadable::PathLong => AmlFaultKind::PathLong { limit: MAX_SEGMENTS as u32, skipped },
            Unreadable::Nesting => AmlFaultKind::Nesting { limit: MAX_NESTING as u32, skipped },
        }
    }

    /// Reads one term, and enters it if it is a scope.
    fn term(
        &mut self,
        frame: &Frame,
        known: Known<'_>,
        findings: &mut dyn Findings,
    ) -> Result<Option<Term<'a>>, Unreadable> {
        let start = self.cursor.at;
        match self.cursor.byte()? {
            opcode::NAME => return self.name(start, frame),
            opcode::ALIAS => return self.alias(start, frame),
            opcode::METHOD => return self.method(start, frame, findings),
            opcode::SCOPE => return self.enter(Kind::Scope, start, frame, known, findings),
            opcode::IF | opcode::ELSE | opcode::WHILE => {
                return self.enter(Kind::Condition, start, frame, known, findings);
            }
            opcode::EXTENDED => return self.extended(start, frame, known, findings),
            opcode::BYTE => drop(self.cursor.take(1)?),
            opcode::WORD => drop(self.cursor.take(2)?),
            opcode::DWORD => drop(self.cursor.take(4)?),
            opcode::QWORD => drop(self.cursor.take(8)?),
            opcode::STRING => drop(self.cursor.string()?),
            opcode::BUFFER | opcode::PACKAGE | opcode::VAR_PACKAGE => self.skip(start, findings)?,
            opcode::EXTERNAL => {
                self.cursor.name()?;
                // The object's type and its number of arguments.
                self.cursor.take(2)?;
            }
            byte if is_operator(byte) => {}
            byte if is_lead(byte) || matches!(byte, b'\\' | b'^' | b'.' | b'/') => {
                self.cursor.at = start;
                self.cursor.name()?;
            }
            byte => return Err(Unreadable::Opcode(byte)),
        }
        Ok(None)
    }

    /// Reads a term whose opcode has two bytes.
    fn extended(
        &mut self,
        start: usize,
        frame: &Frame,
        known: Known<'_>,
        findings: &mut dyn Findings,
    ) -> Result<Option<Term<'a>>, Unreadable> {
        match self.cursor.byte()? {
            extended::DEVICE => return self.enter(Kind::Device, start, frame, known, findings),
            // A number, the address of a block of registers and its length.
            extended::PROCESSOR => return self.enter(Kind::Named(6), start, frame, known, findings),
            // A system level and an order.
            extended::POWER_RESOURCE => return self.enter(Kind::Named(3), start, frame, known, findings),
            extended::THERMAL_ZONE => return self.enter(Kind::Named(0), start, frame, known, findings),
            extended::FIELD | extended::INDEX_FIELD | extended::BANK_FIELD => self.skip(start, findings)?,
            // The flags of the mutex, or the region's space.
            extended::MUTEX | extended::OPERATION_REGION => {
                self.cursor.name()?;
                self.cursor.take(1)?;
            }
            extended::EVENT | extended::DATA_REGION => drop(self.cursor.name()?),
            // The mutex, then a timeout.
            extended::ACQUIRE => match self.cursor.peek()? {
                0x60..=0x6e => drop(self.cursor.take(3)?),
                _ => {
                    self.cursor.name()?;
                    self.cursor.take(2)?;
                }
            },
            // A type and a code.
            extended::FATAL => drop(self.cursor.take(5)?),
            byte if extended::is_operator(byte) => {}
            byte => return Err(Unreadable::Opcode(byte)),
        }
        Ok(None)
    }

    /// Reads the length of a package and returns its end, which is at most the end of the package around it.
    fn package(&mut self, start: usize, findings: &mut dyn Findings) -> Result<usize, Unreadable> {
        let at = self.cursor.at;
        let extent = self.cursor.extent()?;
        if extent.end > self.cursor.end {
            let left = (self.cursor.end - at) as u32;
            self.report(start, AmlFaultKind::LengthLong { length: extent.length, left }, findings);
        }
        Ok(extent.end.min(self.cursor.end))
    }

    fn skip(&mut self, start: usize, findings: &mut dyn Findings) -> Result<(), Unreadable> {
        self.cursor.at = self.package(start, findings)?;
        Ok(())
    }

    /// Enters a package, or skips it if its header cannot be read.
    fn enter(
        &mut self,
        kind: Kind,
        start: usize,
        around: &Frame,
        known: Known<'_>,
        findings: &mut dyn Findings,
    ) -> Result<Option<Term<'a>>, Unreadable> {
        let end = self.package(start, findings)?;
        self.cursor.end = end;
        let header = self.header(kind, end, around, known);
        if self.is_of_root && !header.is_ok_and(|frame| frame.scope == Path::ROOT) {
            self.cursor.at = end;
            return Ok(None);
        }
        match header.and_then(|frame| self.push(frame)) {
            Ok(Frame { scope, in_condition, .. }) => {
                let device = Term::Device { path: scope, offset: start, is_conditional: in_condition };
                Ok((kind == Kind::Device).then_some(device))
            }
            Err(unreadable) => {
                self.report(start, self.fault(unreadable, end - start), findings);
                self.cursor.at = end;
                Ok(None)
            }
        }
    }

    /// Reads what a package has in front of its terms.
    fn header(
        &mut self,
        kind: Kind,
        end: usize,
        around: &Frame,
        known: Known<'_>,
    ) -> Result<Frame, Unreadable> {
        let in_condition = around.in_condition;
        Ok(match kind {
            Kind::Condition => Frame { end, is_conditional: true, in_condition: true, ..*around },
            Kind::Scope => {
                let scope = scope_of(self.cursor.name()?, around.scope, known)?;
                Frame { end, scope, is_other: false, is_conditional: in_condition, in_condition }
            }
            Kind::Device | Kind::Named(_) => {
                let scope = self.cursor.name()?.resolve(around.scope)?;
                if let Kind::Named(more) = kind {
                    self.cursor.take(more)?;
                }
                Frame { end, scope, is_other: kind != Kind::Device, is_conditional: false, in_condition }
            }
        })
    }

    fn push(&mut self, frame: Frame) -> Result<Frame, Unreadable> {
        *self.frames.get_mut(self.depth).ok_or(Unreadable::Nesting)? = frame;
        self.depth += 1;
        Ok(frame)
    }

    /// Reads the name and the value of an object. Passes only the name of an object that is not looked for: its value is the
    /// next term.
    fn name(&mut self, start: usize, frame: &Frame) -> Result<Option<Term<'a>>, Unreadable> {
        let path = self.cursor.name()?;
        if self.is_of_root && path.last() == Some(SOFT_OFF) {
            let is_there = path.resolve(frame.scope)?.parent() == Some(Path::ROOT);
            let value = Value::read(&mut self.cursor, self.wide)?;
            return Ok(value.filter(|_| is_there).map(|value| Term::SoftOff { value }));
        }
        let Some(name) = path.last().and_then(ObjectName::of) else { return Ok(None) };
        let value = Value::read(&mut self.cursor, self.wide)?;
        object(path, name, value.map_or(Definition::Unusable, Definition::Constant), start, frame)
    }

    /// Reads an object's other name.
    fn alias(&mut self, start: usize, frame: &Frame) -> Result<Option<Term<'a>>, Unreadable> {
        self.cursor.name()?;
        let path = self.cursor.name()?;
        let Some(name) = path.last().and_then(ObjectName::of) else { return Ok(None) };
        object(path, name, Definition::Unusable, start, frame)
    }

    /// Passes a method.
    fn method(
        &mut self,
        start: usize,
        frame: &Frame,
        findings: &mut dyn Findings,
    ) -> Result<Option<Term<'a>>, Unreadable> {
        let end = self.package(start, findings)?;
        self.cursor.end = end;
        let read = self.cursor.name().and_then(|path| Ok((path, self.cursor.byte()?)));
        let method = read.and_then(|(path, flags)| {
            let Some(name) = path.last().and_then(ObjectName::of) else { return Ok(None) };
            let method = Method::new(flags, self.cursor.rest(), self.wide);
            object(path, name, Definition::Method(method), start, frame)
        });
        self.cursor.at = end;
        method.or_else(|unreadable| {
            self.report(start, self.fault(unreadable, end - start), findings);
            Ok(None)
        })
    }
}

/// Returns the term for an object that is defined in this frame.
fn object<'a>(
    path: NameString<'_>,
    name: ObjectName,
    definition: Definition<'a>,
    offset: usize,
    frame: &Frame,
) -> Result<Option<Term<'a>>, Unreadable> {
    if frame.is_other && path.is_simple() {
        return Ok(None);
    }
    let scope = path.resolve(frame.scope)?.parent().ok_or(Unreadable::AboveRoot)?;
    let is_conditional = if path.is_simple() { frame.is_conditional } else { frame.in_condition };
    Ok(Some(Term::Object { scope, name, definition, offset, is_conditional }))
}
