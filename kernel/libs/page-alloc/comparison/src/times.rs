//! Times, measured by criterion.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use criterion::Criterion;

use crate::frame_allocator::Crate;
use crate::workloads::Workload;

/// The folder of criterion's figures.
pub fn folder() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap_or_default();
    folder.pop();
    folder.join("comparison-times")
}

/// Returns a criterion with short runs.
pub fn criterion() -> Criterion {
    Criterion::default()
        .output_directory(&folder())
        .without_plots()
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

/// Returns the nanoseconds of one operation: criterion's median.
pub fn median<C: Crate>(criterion: &mut Criterion, workload: Workload) -> Result<f64> {
    workload.with::<C, _>(|work| {
        let mut group = criterion.benchmark_group(workload.name());
        group.bench_function(C::NAME, |bencher| {
            bencher.iter_custom(|times| {
                let start = Instant::now();
                work(times);
                start.elapsed()
            });
        });
        group.finish();
    });
    let file = folder().join(workload.name()).join(C::NAME).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let median = estimates["median"]["point_estimate"].as_f64();
    let median = median.with_context(|| format!("no median in {}", file.display()))?;
    Ok(median / workload.operations() as f64)
}
