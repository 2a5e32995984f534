// A server with two sockets, as Intel's reference firmware writes it: bridges in an SSDT, nodes as methods and constants.
DefinitionBlock ("", "DSDT", 2, "PROXIM", "SOCKETS", 1)
{
    External (\_SB.PC03, DeviceObj)
    OperationRegion (PSYS, SystemMemory, 0x6F5E3000, 0x0400)
    Field (PSYS, ByteAcc, NoLock, Preserve) { PLAT, 32, CLOD, 8, Offset (0x40), RES4, 1 }
    Name (PR00, Package () {
        Package () {0x0008FFFF, 0, 0, 16},
        Package () {0x0008FFFF, 1, \_SB.LNKB, 0},
    })
    Method (FUNC, 2) { Return (Arg0 + Arg1) }
    Scope (\_SB)
    {
        Device (LNKB) { Name (_HID, EisaId ("PNP0C0F")) Name (_UID, 2) }
        Device (PC00)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, "PC00")
            Method (_BBN, 0) { Return (\CLOD) }
            Name (_SEG, 0)
            Method (_PXM, 0) { If (CLOD == 0) { Return (0) } Else { Return (2) } }
            Method (_PRT, 0) { Return (PR00) }
            Name (_CRS, ResourceTemplate () {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0x7F, 0, 0x80)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0, 0x1000000000, 0x1FFFFFFFFF, 0, 0x1000000000)
            })
            Device (RP01) { Name (_ADR, 0x00010000) Device (H000) { Name (_ADR, 0) Name (_PXM, 1) } }
            Device (RP02) { Method (_ADR, 0) { Return (0x00020000) } Name (_PXM, Ones) }
        }
        Device (PC01)
        {
            Name (_HID, "PNP0A08")
            Name (_CID, Package () {EisaId ("PNP0A03"), "ACPI0016"})
            Name (_UID, One)
            Name (_BBN, 0x80)
            Name (_PXM, 1)
            Name (_PRT, Package () { Package () {0xFFFF, 0, 0, 16}, Package () {0xFFFF, 1, LNKB, 0} })
        }
        Processor (CP00, 0, 0x410, 6) { Name (_PXM, 0) }
        ThermalZone (TZ00) { Method (_TMP, 0) { Return (3000) } Device (FAN0) { Name (_HID, EisaId ("PNP0C0B")) } }
        PowerResource (PWR0, 0, 0) { Method (_STA, 0) { Return (1) } Method (_ON, 0) {} Method (_OFF, 0) {} }
    }
    If (FUNC (1, 2) == 3)
    {
        Device (\_SB.PC02) { Name (_HID, EisaId ("PNP0A08")) Name (_BBN, 0xC0) Name (_PXM, 1) }
        Scope (\_SB.PC01) { Name (_SEG, 1) }
    }
    Else
    {
        Scope (\_SB.PC01) { Name (_ADR, 2) }
    }
    Store (FUNC (FUNC (1, 2), Local0), Local1)
}
