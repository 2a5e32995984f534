//! The console on COM1, through a terminal: editing, history, completion, each command as text and as JSON, and input that is no command.
mod common;

use boot::{Firmware, Machine, Verdict};
use common::boot;
use common::terminal::{PROMPT, Terminal, plain};
use serde_json::Value;

/// The columns that a command uses.
const COLUMNS: usize = 100;

/// Boots the two-node machine up to the prompt.
fn console(words: &str) -> Terminal {
    let mut terminal =
        Terminal::boot(&Machine::two_nodes().interactive(&format!("console=terminal {words}")));
    terminal.wait_for("help lists the commands");
    terminal.wait_for(PROMPT);
    terminal
}

/// One boot for all that a person does.
#[test]
fn a_person_at_a_terminal_is_served() {
    let mut console = console("");
    each_command_writes_text_within_100_columns_and_json(&mut console);
    the_commands_say_what_the_machine_has(&mut console);
    lines_are_edited_repeated_and_completed(&mut console);
    drivers_are_loaded_and_unloaded(&mut console);
    input_that_is_no_command_does_no_harm(&mut console);
    let outcome = console.json("selftest");
    assert_eq!((&outcome["ok"], &outcome["failed"]), (&true.into(), &0.into()), "{outcome}");
    assert!(outcome["passed"].as_u64() > Some(30), "{outcome}");
    turn_off(&mut console);
}

#[test]
fn a_machine_with_an_hmat_shows_it_and_is_reset() {
    let machine = Machine::two_nodes().disks([]).arguments([
        "-machine",
        "hmat=on",
        "-numa",
        "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-latency,latency=10",
        "-numa",
        "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=read-latency,latency=25",
        "-numa",
        "hmat-lb,initiator=1,target=0,hierarchy=memory,data-type=read-latency,latency=25",
        "-numa",
        "hmat-lb,initiator=1,target=1,hierarchy=memory,data-type=read-latency,latency=10",
    ]);
    let mut console = Terminal::boot(&machine.interactive("console=terminal"));
    console.wait_for(PROMPT);
    let latency = console.json("latency");
    assert_eq!(latency["read_latency_ps"][0]["to_node"], serde_json::json!([10000, 25000]), "{latency}");
    console.type_text("reboot\r");
    console.wait_for("numa: Found 2 NUMA nodes");
    console.wait_for(PROMPT);
    turn_off(&mut console);
}

/// Turns the machine off.
fn turn_off(terminal: &mut Terminal) {
    terminal.type_text("off\r");
    assert_eq!(terminal.end(), Verdict::Success, "{}", terminal.all());
}

fn each_command_writes_text_within_100_columns_and_json(console: &mut Terminal) {
    let help = console.json("help");
    let commands = help["commands"].as_array().unwrap();
    assert!(commands.len() > 8, "{help}");
    for command in commands {
        let name = command["command"].as_str().unwrap();
        if ["off", "reboot", "bench", "selftest", "load", "unload"].contains(&name) {
            continue;
        }
        let lines = console.run(name);
        assert!(!lines.is_empty(), "{name}");
        for line in &lines {
            assert!(line.chars().count() <= COLUMNS && !line.contains('\x1b'), "{name}: {line:?}");
        }
        let json = console.json(name);
        assert_eq!((&json["command"], &json["ok"]), (&name.into(), &true.into()), "{json}");
        assert!(console.run(&format!("help {name}")).iter().any(|line| line.starts_with(name)));
    }
}

fn the_commands_say_what_the_machine_has(console: &mut Terminal) {
    let nodes = console.json("nodes");
    let sizes: Vec<_> = nodes["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (&node["cpus"], node["size_mib"].as_u64()))
        .collect();
    assert_eq!(sizes, [(&"0-1".into(), Some(256)), (&"2-3".into(), Some(256))], "{nodes}");
    assert_eq!(nodes["distances"][1]["to"], serde_json::json!([20, 10]));
    let text = console.run("nodes");
    assert!(text.iter().any(|line| line.split_whitespace().eq(["0", "10", "20"])), "{text:#?}");

    let cpus = console.json("cpus");
    let online = cpus["cpus"].as_array().unwrap().iter().filter(|cpu| cpu["state"] != "offline");
    assert_eq!(online.map(|cpu| cpu["node"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 0, 1, 1]);

    let free = console.json("free");
    for (memory, blocks) in
        free["memory"].as_array().unwrap().iter().zip(free["free_blocks"].as_array().unwrap())
    {
        let orders = blocks["order"].as_array().unwrap().iter().enumerate();
        let pages: u64 = orders.map(|(order, count)| count.as_u64().unwrap() << order).sum();
        let listed = memory["pages_free"].as_u64().unwrap();
        assert!(
            pages <= listed && listed - pages < 4096,
            "{pages} of {listed} free pages are in blocks: {free}"
        );
    }

    let threads = console.json("threads");
    let of_name = |name: &str| {
        threads["threads"].as_array().unwrap().iter().filter(|thread| thread["name"] == name).count()
    };
    assert_eq!((of_name("idle"), of_name("console"), of_name("reaper")), (4, 1, 1), "{threads}");
    let itself =
        threads["threads"].as_array().unwrap().iter().find(|thread| thread["name"] == "console").unwrap();
    assert!(itself["state"] == "running" && itself["cpu_ms"].as_u64().is_some(), "{itself}");

    let devices = console.json("devices");
    let nvme = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|device| device["address"] == "0000:81:00.0")
        .unwrap();
    assert_eq!(
        (&nvme["node"], &nvme["driver"], &nvme["depth"]),
        (&"node 1".into(), &"nvme".into(), &1.into()),
        "{nvme}"
    );

    let interrupts = console.json("interrupts");
    let of_nvme =
        interrupts["interrupts"].as_array().unwrap().iter().filter(|interrupt| interrupt["driver"] == "nvme");
    let seen: u64 = of_nvme.map(|interrupt| interrupt["count"].as_u64().unwrap()).sum();
    assert!(seen > 0, "{interrupts}");
    let by_cpu = interrupts["cpus"].as_array().unwrap();
    assert_eq!(by_cpu.iter().map(|row| row["cpu"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let sum = |what: &str| by_cpu.iter().map(|row| row[what].as_u64().unwrap()).sum::<u64>();
    for what in ["ticks", "wakes", "tlb_flushes"] {
        assert!(sum(what) > 0, "{what}: {interrupts}");
    }
    // CPUs wake each other for each command.
    let later = console.json("interrupts");
    let wakes = |listing: &Value| {
        let cpus = listing["cpus"].as_array().unwrap();
        cpus.iter().map(|row| row["wakes"].as_u64().unwrap() + row["ticks"].as_u64().unwrap()).sum::<u64>()
    };
    assert!(wakes(&later) > wakes(&interrupts), "{later}");

    let disks = console.json("disks");
    let sizes: Vec<_> = disks["disks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|disk| (disk["disk"].as_str().unwrap(), disk["size_mib"].as_u64()))
        .collect();
    assert_eq!(sizes, [("nvme0", Some(64)), ("vblk0", Some(64))], "{disks}");

    let tree = console.json("tree");
    let count =
        |what: &str| tree["tree"].as_array().unwrap().iter().filter(|row| row["what"] == what).count();
    assert_eq!((count("Machine"), count("Node"), count("CPU")), (1, 2, 4), "{tree}");

    assert_eq!(console.json("findings")["findings"], 0);
    assert_eq!(console.json("log debug")["level"], "debug");
    assert_eq!(console.json("log info")["level"], "info");
    assert_eq!(console.json("log loud")["ok"], false);
    let counters = console.json("drivers nvme");
    assert!(!counters["counters"].as_array().unwrap().is_empty(), "{counters}");

    let stat = console.json("stat");
    let hits = stat["counts"].as_array().unwrap().iter().find(|row| row["count"] == "numa_hit").unwrap();
    assert!(hits["node"][0].as_u64() > Some(0), "{stat}");
}

fn drivers_are_loaded_and_unloaded(console: &mut Terminal) {
    let names = |console: &mut Terminal| {
        let drivers = console.json("drivers");
        let names = drivers["drivers"].as_array().unwrap().iter();
        names.map(|driver| driver["driver"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(console).contains(&"nvme".to_owned()));
    let drivers = console.json("drivers");
    let nvme =
        drivers["drivers"].as_array().unwrap().iter().find(|driver| driver["driver"] == "nvme").unwrap();
    assert_eq!((&nvme["state"], &nvme["devices"]), (&"running".into(), &1.into()), "{nvme}");
    let by_driver = console.json("stat -p");
    assert!(
        by_driver["drivers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|driver| driver["driver"] == "nvme" && driver["all_kib"].as_u64() > Some(0))
    );

    // The sums by node are those of all nodes, but for the heap's, which are rounded up. The NVMe disk is on node 1.
    for driver in by_driver["drivers"].as_array().unwrap() {
        let of_driver = || {
            let rows = by_driver["by_node"].as_array().unwrap().iter();
            rows.filter(|row| row["driver"] == driver["driver"])
        };
        for kind in ["image_kib", "pages_kib", "dma_kib"] {
            let sum: u64 = of_driver().map(|row| row[kind].as_u64().unwrap()).sum();
            assert_eq!(Some(sum), driver[kind].as_u64(), "{kind}: {by_driver}");
        }
        let heap: u64 = of_driver().map(|row| row["heap_kib"].as_u64().unwrap()).sum();
        assert!(heap.abs_diff(driver["heap_kib"].as_u64().unwrap()) <= 1, "{by_driver}");
    }
    let nvme = by_driver["by_node"].as_array().unwrap().iter().filter(|row| row["driver"] == "nvme");
    let with_dma: Vec<_> = nvme.filter(|row| row["dma_kib"] != 0).map(|row| row["node"].as_u64()).collect();
    assert_eq!(with_dma, [Some(1)], "{by_driver}");

    assert_eq!(console.json("unload nvme")["ok"], true);
    assert!(!names(console).contains(&"nvme".to_owned()));
    let again = console.json("unload nvme");
    assert_eq!(
        (&again["ok"], &again["error"]),
        (&false.into(), &"not unloaded: no such driver has started".into())
    );
    assert_eq!(console.json("load nvme")["ok"], true);
    assert!(names(console).contains(&"nvme".to_owned()));
    assert_eq!(console.json("load nvme")["error"], "not loaded: it is loaded already");
    assert_eq!(console.json("load none")["error"], "not loaded: the ramdisk has no such driver");
    assert_eq!(console.run("load"), ["it does not take these words; help load says more"]);
}

fn lines_are_edited_repeated_and_completed(console: &mut Terminal) {
    // A word in the middle, the cursor to the front, a character deleted.
    console.type_text("xelp stat\x1b[D\x1b[D\x1b[D\x1b[D\x1b[1;5D\x1b[3~h\r");
    console.wait_for(&format!("{PROMPT}help stat\r\n"));
    console.wait_for("numastat");
    console.wait_for(PROMPT);
    // The line before.
    console.type_text("\x1b[A\r");
    console.wait_for(&format!("{PROMPT}help stat\r\n"));
    console.wait_for("numastat");
    console.wait_for(PROMPT);
    // A word that is unique, and one that is not.
    console.type_text("no\t\r");
    console.wait_for(&format!("{PROMPT}nodes \r\n"));
    console.wait_for(PROMPT);
}

fn input_that_is_no_command_does_no_harm(console: &mut Terminal) {
    // More than a line holds.
    console.type_text(&"x".repeat(5000));
    console.type_text("\r");
    console.wait_for("no such command");
    console.wait_for(PROMPT);
    // All bytes but QEMU's key, which would lead to its monitor.
    let binary: Vec<u8> = (0..20_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .map(|byte| if byte == 1 { 2 } else { byte })
        .collect();
    console.type_bytes(&binary);
    console.type_text("\x03\r");
    console.wait_for(PROMPT);
    // As fast as the terminal takes them. Each is run.
    let lines: Vec<String> = (0..200).map(|number| format!("marker{number}")).collect();
    let keyboard = lines.join("\r") + "\r";
    console.type_text(&keyboard);
    for line in &lines {
        console.wait_for(&format!("no such command, help lists them: {line}\r\n"));
    }
    assert_eq!(console.json("cpus")["ok"], true);
}

#[test]
fn without_a_key_no_prompt_and_no_code_is_written() {
    let mut terminal = Terminal::boot(&Machine::two_nodes().interactive("log=info"));
    terminal.wait_for("press Enter for a prompt");
    assert!(!terminal.all().contains('\x1b') && !terminal.all().contains(PROMPT));
    terminal.type_text("\r");
    terminal.wait_for(PROMPT);
    turn_off(&mut terminal);
}

/// Runs commands on the machine's console, and turns it off.
#[track_caller]
fn assert_serves(machine: Machine, how: &str) {
    let mut console = Terminal::boot(&machine.interactive("console=terminal"));
    console.wait_for(how);
    console.wait_for(PROMPT);
    // More than the port's buffer holds, as fast as the terminal takes it.
    let line = format!("{} --json", "nodes".repeat(20));
    for _ in 0..3 {
        assert!(console.run(&line)[0].contains("no such command"));
        assert_eq!(console.json("cpus")["ok"], true);
    }
    turn_off(&mut console);
}

#[test]
fn a_port_whose_interrupt_no_table_names_is_polled() {
    let machine = Machine::without_numa(1, 256).arguments(["-machine", "pc,acpi=off"]);
    assert_serves(machine, "no interrupt of COM1, so it is polled");
}

#[test]
fn a_port_whose_interrupt_is_another_one_is_polled() {
    let machine = Machine::two_nodes().without_event_port().arguments(["-global", "isa-serial.irq=7"]);
    assert_serves(machine, "press Enter for a prompt");
}

#[test]
fn off_switches_a_machine_off_that_is_no_emulator() {
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        let machine = Machine::two_nodes().disks([]).firmware(firmware).without_debug_exit();
        let mut console = Terminal::boot(&machine.interactive("console=terminal"));
        console.wait_for(PROMPT);
        console.type_text("off\r");
        // QEMU ends with success when its machine is off.
        let verdict = console.end();
        assert!(matches!(verdict, Verdict::None(status) if status.success()), "{verdict}: {}", console.all());
    }
}

#[test]
fn a_program_gets_what_commands_write_and_nothing_else() {
    let mut terminal = Terminal::boot(&Machine::two_nodes().interactive("console=plain"));
    terminal.wait_for("help lists the commands\r\n");
    terminal.type_text("cpus --json\n");
    let text = terminal.wait_for("\"ok\":true}\r\n");
    assert!(text.starts_with("{\"command\":\"cpus\",\"cpus\":[\r\n"), "{text}");
    terminal.type_text("off\n");
    assert_eq!(terminal.end(), Verdict::Success);
    assert!(!terminal.all().contains('\x1b') && !terminal.all().contains(PROMPT));
}

#[test]
fn with_exit_there_is_no_console() {
    let run = boot(&Machine::two_nodes().parameters("console=terminal report"), Verdict::Success);
    // The report comes without a console.
    let report: Vec<&str> = run.lines().skip_while(|line| !line.starts_with("version: ")).collect();
    let screen = report.iter().position(|line| line.starts_with("findings: 0"));
    assert!(screen.is_some_and(|lines| lines < 60), "{report:#?}");
    assert!(report.contains(&"verdict so far: success") && report.contains(&"machine: QEMU"), "{report:#?}");
    assert!(report.iter().all(|line| line.chars().count() <= COLUMNS), "{report:#?}");
    assert!(!run.serial.contains("console:") && !run.serial.contains(PROMPT), "{}", run.serial);
    assert_eq!(plain("\r\x1b[Kx"), "x");
}
