//! Writes an event as a line of JSON.
use crate::Event;

/// Why an event could not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineError {
    /// The line does not fit into the buffer, which has this many bytes.
    BufferTooShort(usize),
}

/// Writes the event as one line of JSON with a newline to the start of `buffer`, and returns the line.
///
/// # Errors
/// Returns [`LineError::BufferTooShort`] if the line does not fit. The content of the buffer is then undefined.
pub fn write_line<'b>(event: &Event<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], LineError> {
    let size = buffer.len();
    let too_short = LineError::BufferTooShort(size);
    let room = size.checked_sub(1).ok_or(too_short)?;
    let written = serde_json_core::to_slice(event, &mut buffer[..room]).map_err(|_| too_short)?;
    buffer[written] = b'\n';
    Ok(&buffer[..=written])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Device, DriverStatus, Left, Limits, MemoryRange, Node, Performance, PersistentRange, PortPerformance,
        SideCache,
    };
    use alloc::vec;

    fn line_of(event: &Event<'_>) -> alloc::string::String {
        let mut buffer = [0; 2048];
        let line = write_line(event, &mut buffer).expect("2 KiB is room enough");
        alloc::string::String::from_utf8(line.into()).expect("JSON is UTF-8")
    }

    #[test]
    fn a_cpu_event_has_the_fields_of_the_contract() {
        let event = Event::Cpu { index: 2, apic_id: 2, node: 1, online: true };
        assert_eq!(
            line_of(&event),
            "{\"event\":\"cpu\",\"index\":2,\"apic_id\":2,\"node\":1,\"online\":true}\n"
        );
    }

    #[test]
    fn only_the_event_of_a_skipped_test_says_so_with_the_reason() {
        let test = |skipped, reason: Option<&'static str>| {
            line_of(&Event::Test { name: "a.b".into(), ok: true, skipped, reason: reason.map(Into::into) })
        };
        assert_eq!(test(false, None), "{\"event\":\"test\",\"name\":\"a.b\",\"ok\":true}\n");
        assert_eq!(
            test(true, Some("one CPU")),
            "{\"event\":\"test\",\"name\":\"a.b\",\"ok\":true,\"skipped\":true,\"reason\":\"one CPU\"}\n"
        );
    }

    #[test]
    fn the_topology_event_has_the_fields_of_the_contract() {
        let event = Event::Topology {
            source: "srat".into(),
            nodes: vec![Node {
                id: 0,
                domain: 0,
                cpus: vec![0, 1],
                apic_ids: vec![0, 2],
                memory: vec![MemoryRange { base: 0, length: 655_360, hotplug: false }],
                pages_total: 0,
                pages_free: 0,
            }],
            distances: vec![vec![10]],
            fallback: vec![vec![0]],
            performance: None,
            persistent_ranges: vec![],
            generic_initiators: vec![],
            generic_ports: vec![],
            limits: None,
        };
        assert_eq!(
            line_of(&event),
            concat!(
                r#"{"event":"topology","source":"srat","nodes":[{"id":0,"domain":0,"cpus":[0,1],"apic_ids":[0,2],"#,
                r#""memory":[{"base":0,"length":655360}],"pages_total":0,"pages_free":0}],"#,
                r#""distances":[[10]],"fallback":[[0]]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn fields_that_not_every_machine_has_follow_the_others() {
        let event = Event::Topology {
            source: "srat".into(),
            nodes: vec![],
            distances: vec![],
            fallback: vec![],
            performance: Some(Performance {
                initiators: vec![0],
                read_latency_ps: vec![vec![Some(100_000), None, Some(-1)]],
                write_latency_ps: vec![],
                read_bandwidth_mbps: vec![],
                write_bandwidth_mbps: vec![],
                attached: vec![Some(0), None],
                side_caches: vec![SideCache {
                    node: 0,
                    level: 1,
                    levels: 2,
                    size: 10_240,
                    line_size: 64,
                    associativity: 1,
                    write_policy: 2,
                }],
                ports: vec![PortPerformance {
                    domain: 6,
                    read_latency_ps: vec![Some(250_000)],
                    write_latency_ps: vec![None],
                    read_bandwidth_mbps: vec![Some(-1)],
                    write_bandwidth_mbps: vec![None],
                }],
            }),
            persistent_ranges: vec![PersistentRange {
                base: 4096,
                length: 8192,
                domain: 2,
                node: 0,
                persistent: true,
            }],
            generic_initiators: vec![Device { domain: 5, handle: None }],
            generic_ports: vec![Device { domain: 6, handle: Some("PCI 0000:17:00.1".into()) }],
            limits: Some(Limits { domains: 8, clock_domains: 1, address: 4095 }),
        };
        assert_eq!(
            line_of(&event),
            concat!(
                r#"{"event":"topology","source":"srat","nodes":[],"distances":[],"fallback":[],"#,
                r#""performance":{"initiators":[0],"read_latency_ps":[[100000,null,-1]],"#,
                r#""write_latency_ps":[],"read_bandwidth_mbps":[],"write_bandwidth_mbps":[],"attached":[0,null],"#,
                r#""side_caches":[{"node":0,"level":1,"levels":2,"size":10240,"line_size":64,"associativity":1,"#,
                r#""write_policy":2}],"#,
                r#""ports":[{"domain":6,"read_latency_ps":[250000],"write_latency_ps":[null],"#,
                r#""read_bandwidth_mbps":[-1],"write_bandwidth_mbps":[null]}]},"#,
                r#""persistent_ranges":[{"base":4096,"length":8192,"domain":2,"node":0,"persistent":true}],"#,
                r#""generic_initiators":[{"domain":5,"handle":null}],"#,
                r#""generic_ports":[{"domain":6,"handle":"PCI 0000:17:00.1"}],"#,
                r#""limits":{"domains":8,"clock_domains":1,"address":4095}}"#,
                "\n"
            )
        );
        assert_eq!(serde_json::from_str::<Event<'_>>(&line_of(&event)).expect("valid JSON"), event);
    }

    #[test]
    fn an_event_is_read_as_it_was_written_even_with_quotes_and_control_characters() {
        let event = Event::Driver {
            name: "odd\"name\\".into(),
            status: DriverStatus::Refused,
            reason: "line\nbreak, \u{1} and \u{fe}".into(),
            left: Left { heap: 3, ..Left::default() },
        };
        assert_eq!(serde_json::from_str::<Event<'_>>(&line_of(&event)).expect("valid JSON"), event);
    }

    #[test]
    fn a_line_that_does_not_fit_is_an_error() {
        let event = Event::Exit { ok: true };
        let length = line_of(&event).len();
        let mut buffer = [0; 64];
        assert!(write_line(&event, &mut buffer[..length]).is_ok());
        assert_eq!(write_line(&event, &mut buffer[..length - 1]), Err(LineError::BufferTooShort(length - 1)));
        assert_eq!(write_line(&event, &mut []), Err(LineError::BufferTooShort(0)));
    }
}
