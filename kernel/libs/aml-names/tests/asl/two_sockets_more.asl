// Adds to the bridges of two_sockets.asl, as an SSDT does.
DefinitionBlock ("", "SSDT", 2, "PROXIM", "MORE", 1)
{
    External (\_SB.PC01, DeviceObj)
    External (\_SB.PC00.RP01, DeviceObj)
    External (\FUNC, MethodObj)
    Name (\_SB.PC01.BUFF, Buffer (8) {1, 2, 3})
    Scope (\_SB)
    {
        Device (PC03)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_BBN, 0xE0)
            Name (_UID, 0x100000003)
        }
        Name (PC03._PXM, 3)
    }
    Scope (\_SB.PC00.RP01) { Name (_PXM, 0x12345678) Method (_DSM, 4) { Return (0) } }
    Scope (\_SB.PC01)
    {
        CreateByteField (BUFF, 0, FLD0)
        Device (RP05) { Name (_ADR, 0x0005FFFF) Name (_UID, "RP05") Alias (_UID, UID2) }
    }
    If (CondRefOf (\_SB.PC01))
    {
        \FUNC (0x1234, Add (1, \FUNC (2, 3)))
        Scope (\_SB.PC01.RP05) { Name (_PXM, 1) }
    }
}
