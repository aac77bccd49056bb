//! Orders from the test: a JSON object per line, `{"order": ..., "device": 0}`, answered with one object.
//!
//! | Order | What happens |
//! |---|---|
//! | `"reset"` | NSSR: keys and the credential are gone (semantics 2.6) |
//! | `"migrate"` | the partition wakes up on another chip (semantics 2.6) |
//! | `{"not_ready": true}` | the controller is not ready until `false` (wire 5.5 row 4, 5.8, 6.5 row 4) |
//! | `{"refuse_open": 13}` | open(2) fails with this error number, until 0 |
//! | `{"fault": {"opcode": 1062, "nth": 1, "times": 1, "action": ...}}` | see `transport::emulator::Fault`: a status, an abort before or after, a delay, a late completion, a reset, a migration at the nth command of a kind, or of any |
//! | `{"latency": {"opcode": 1062, "microseconds": 100}}` | every command of a kind takes this much longer, or every one that has no time of its own; 0 ends it |
//! | `"abort"` | every command in the device now is aborted (wire 5.7) |
//! | `{"hold_key_generation": true}` | GetUnwrappingKey answers PendingKeyGeneration until `false` |
//! | `{"fill_tables": {"leave_bytes": 600, "leave_bulk": 2}}` | strangers' keys take the rest of the tables, until a reset |
//! | `"empty_tables"` | the strangers' keys are gone |
//! | `{"occupy_sessions": 7}` | strangers hold so many of the free sessions, and those they held before are closed; answers how many they got |
//! | `"clear_faults"` | forgets the faults that have not happened |
//! | `"counts"` | answers how often each opcode came, `gcm` and `xts`, and how many files are open and commands were aborted |

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use transport::channel::ChannelError;
use transport::ddi::Opcode;
use transport::emulator::Fault;

use crate::driver::Device;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    device: usize,
    order: Order,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    Reset,
    Migrate,
    NotReady(bool),
    RefuseOpen(i32),
    Fault(Fault),
    ClearFaults,
    Latency(Latency),
    Abort,
    HoldKeyGeneration(bool),
    FillTables(Room),
    EmptyTables,
    OccupySessions(usize),
    Counts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    #[serde(default)]
    opcode: Option<u32>,
    microseconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Room {
    leave_bytes: usize,
    leave_bulk: usize,
}

/// Does what a line says; the answer is `{"ok": ...}` or `{"error": "why"}`.
pub(crate) fn obey(devices: &[Arc<Device>], line: &str) -> Value {
    let done = serde_json::from_str::<Line>(line).map_err(|why| why.to_string()).and_then(|Line { device, order }| {
        let device = devices.get(device).ok_or("there is no such device")?;
        carry_out(device, order).map_err(|why| why.to_string())
    });
    match done {
        Ok(value) => json!({ "ok": value }),
        Err(why) => json!({ "error": why }),
    }
}

fn carry_out(device: &Device, order: Order) -> Result<Value, ChannelError> {
    match order {
        Order::Reset => device.reset()?,
        Order::Migrate => device.emulator.migrate()?,
        Order::NotReady(not_ready) => device.set_ready(!not_ready),
        Order::RefuseOpen(errno) => device.refuse_open(errno),
        Order::Fault(fault) => device.emulator.faults().plan(fault),
        Order::ClearFaults => device.emulator.faults().clear(),
        Order::Latency(Latency { opcode, microseconds }) => {
            device.emulator.faults().set_latency(opcode, Duration::from_micros(microseconds));
        }
        Order::Abort => device.emulator.faults().abort_in_progress(),
        Order::HoldKeyGeneration(hold) => device.emulator.faults().hold_key_generation(hold),
        Order::FillTables(Room { leave_bytes, leave_bulk }) => device.emulator.fill_tables(leave_bytes, leave_bulk),
        Order::EmptyTables => device.emulator.empty_tables(),
        Order::OccupySessions(count) => return Ok(device.emulator.occupy_sessions(count).into()),
        Order::Counts => return Ok(counts(device)),
    }
    Ok(Value::Null)
}

fn counts(device: &Device) -> Value {
    let faults = device.emulator.faults();
    let commands: serde_json::Map<_, _> = OPCODES
        .map(|opcode| (opcode.to_string(), faults.commands(Opcode(opcode))))
        .filter(|(_, count)| *count > 0)
        .map(|(opcode, count)| (opcode, count.into()))
        .collect();
    json!({ "commands": commands, "gcm": faults.gcm_calls(), "xts": faults.xts_calls(), "files": device.files(), "aborted": faults.aborted() })
}

/// Wire 3.1.
const OPCODES: std::ops::Range<u32> = 1000..1128;
