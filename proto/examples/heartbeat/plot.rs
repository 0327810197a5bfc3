//! The plots of `docs/HEARTBEAT.md`.

use plotters::coord::CoordTranslate;
use plotters::prelude::*;
use pulsegate_proto::sim::{self, Path, Policy, Row, Setting, Stratum};
use std::error::Error;
use std::path::Path as File;

type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (820, 420);
/// Told apart also by those who do not see red and green (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// Silence asked for over time on paths with a name.
pub fn silences(file: &File) -> Drawn {
    const HOURS: f64 = 12.0;
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("The silence the ladder asks for", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..HOURS, 0.0..620.0)?;
    chart.configure_mesh().x_desc("hours").y_desc("seconds").light_line_style(WHITE).draw()?;
    for (&path, colour) in Path::ALL.iter().zip(COLOURS) {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for (at, silence) in silences_of(path, HOURS) {
            if let Some(&(_, before)) = points.last() {
                points.push((at, before));
            }
            points.push((at, silence));
        }
        if let Some(&(_, last)) = points.last() {
            points.push((HOURS, last));
        }
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(path.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

fn silences_of(path: Path, hours: f64) -> Vec<(f64, f64)> {
    sim::silences(path, Policy::Ladder, hours)
}

/// Beats against push delay, all policies.
pub fn delays(file: &File, mix: &[Row]) -> Drawn {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Beats against push delay, mixed population", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(62)
        .build_cartesian_2d((5.0..5_000.0).log_scale(), (1.0..100_000.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("beats a day")
        .y_desc("push delay, 99.9 %, seconds")
        .light_line_style(WHITE)
        .draw()?;
    for (row, colour) in mix.iter().zip(COLOURS) {
        let at = (row.beats_per_day, row.push_delay_p999_s.max(1.0));
        let name = format!("{}: {:.2} times the oracle's cost", row.policy, row.cost_vs_oracle);
        chart
            .draw_series([Circle::new(at, 6, colour.filled())])?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 9, y), 5, colour.filled()));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

/// How many clients know their path after how long.
pub fn convergence(file: &File, setting: Setting) -> Drawn {
    const HOURS: f64 = 24.0;
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Clients that ask for 90 % of what their path bears", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(38)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..HOURS, 0.0..1.0)?;
    chart.configure_mesh().x_desc("hours in that network").y_desc("share").light_line_style(WHITE).draw()?;
    for (policy, colour) in [Policy::Ladder, Policy::Stepped].into_iter().zip(COLOURS.into_iter().skip(1)) {
        let hours = convergence_of(setting, policy);
        let share =
            |rank: usize| f64::from(u32::try_from(rank).unwrap_or(u32::MAX)) / f64::from(setting.clients);
        let mut points = vec![(0.0, 0.0)];
        for (rank, at) in hours.into_iter().enumerate().take_while(|(_, at)| *at <= HOURS) {
            points.extend([(at, share(rank)), (at, share(rank + 1))]);
        }
        if let Some(&(_, last)) = points.last() {
            points.push((HOURS, last));
        }
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(policy.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)?;
    area.present()?;
    Ok(())
}

fn convergence_of(setting: Setting, policy: Policy) -> Vec<f64> {
    sim::convergence(setting, Stratum::Mix, policy)
}

fn legend<'a, B, C>(chart: &mut ChartContext<'a, B, C>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>
where
    B: DrawingBackend + 'a,
    C: CoordTranslate,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()
}
