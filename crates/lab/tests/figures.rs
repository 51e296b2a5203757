//! Figures and tables as files: every text and number is there, refusals name what is wrong.

use realign_lab::figure::{self, Axis, Figure, FigureError, Mark, Panel, Reference, Scale, Series, Side};
use realign_lab::table::{Best, Cell, Column, Table};

fn sample() -> Figure {
    let x: Vec<f64> = vec![1.0, 2.0, 3.0, 4.0];
    let line =
        |word: &str, label: &str, y: [f64; 4]| Series::new(Mark::Line, word, label, x.clone(), y.to_vec());
    let stack = |word: &str, y: [f64; 4]| Series::new(Mark::Stack, word, word, x.clone(), y.to_vec());
    let boxes = Series::new(Mark::Box, "fa", "FA & friends", vec![0.0; 5], vec![0.1, 0.2, 0.3, 0.4, 2.0]);
    let bars = Series::new(Mark::Bar, "bp", "BP", vec![0.0, 1.0], vec![0.9, 0.8])
        .band(vec![0.8, 0.7], vec![1.0, 0.9]);
    Figure {
        title: "cos ∠(Wᵀ, B) <and> more".into(),
        caption: "Mean of 5 seeds.".into(),
        columns: 2,
        panels: vec![
            Panel {
                title: "first".into(),
                x: Axis::new("learning rate η", "1/step").scale(Scale::Log),
                y: Axis::new("‖W₁‖²", "").scale(Scale::Log),
                series: vec![
                    line("bp", "BP", [1e-3, 1e-2, f64::NAN, 1.0]),
                    line("fa", "FA & friends", [0.0, 1e-2, 1e-1, 0.5])
                        .band(vec![0.0, 5e-3, 5e-2, 0.4], vec![1e-3, 2e-2, 0.2, 0.6]),
                ],
                references: vec![Reference { axis: Side::Y, at: 0.1, label: "bound λ".into() }],
            },
            Panel {
                title: "second".into(),
                x: Axis::new("step", ""),
                y: Axis::new("ΔP", "").scale(Scale::Symlog { linear: 0.1 }),
                series: vec![stack("reader", [0.0, 1.0, 2.0, 3.0]), stack("writer", [0.0, -0.5, -1.0, -4.0])],
                ..Panel::default()
            }
            .with_total("sum"),
            Panel {
                title: "third".into(),
                x: Axis::new("width", "units")
                    .categories(["64", "a very long category indeed, it goes on and on"]),
                y: Axis::new("accuracy", "share"),
                series: vec![bars, boxes],
                ..Panel::default()
            },
        ],
        ..Figure::default()
    }
}

/// Texts of the SVG as a reader sees them.
fn texts(svg: &str) -> Vec<String> {
    let unescape =
        |t: &str| t.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let text = |part: &str| part.split_once('>')?.1.split_once("</text>").map(|t| unescape(t.0));
    svg.split("<text").skip(1).filter_map(text).collect()
}

#[test]
fn every_label_stands_in_the_svg() {
    let figure = sample();
    let all = texts(&figure::svg(&figure).unwrap()).join(" ");
    let mut wanted = vec![figure.title.clone()];
    for panel in &figure.panels {
        wanted.extend([panel.title.clone(), panel.x.text(), panel.y.text()]);
        wanted.extend(panel.series.iter().map(|s| s.label.clone()));
        wanted.extend(panel.references.iter().map(|r| r.label.clone()));
        wanted.extend(panel.x.categories.iter().cloned());
    }
    for label in wanted {
        assert!(all.contains(&label), "{label:?} is not in {all}");
    }
    assert!(all.contains("1 missing or not finite, 1 not positive on a logarithmic axis"), "{all}");
}

#[test]
fn files_are_what_their_names_say_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let paths = figure::write(&sample(), dir.path(), "fig").unwrap();
    let read =
        |paths: &[std::path::PathBuf]| paths.iter().map(|p| std::fs::read(p).unwrap()).collect::<Vec<_>>();
    let files = read(&paths);
    let names: Vec<_> = paths.iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["fig.svg", "fig.png", "fig.pdf", "fig.csv"]);
    assert!(files[0].starts_with(b"<svg ") && files[0].windows(10).any(|w| w == b"@font-face"));
    assert!(files[0].len() < 120_000, "a figure of this size is light: {}", files[0].len());
    assert!(files[1].starts_with(b"\x89PNG") && files[2].starts_with(b"%PDF"));
    assert!(files[2].windows(6).any(|w| w == b"DejaVu"), "the font is in the PDF");
    assert_eq!(files, read(&figure::write(&sample(), dir.path(), "fig").unwrap()));
}

/// Without any one of its texts the picture is another one: without a font a renderer leaves them out without a word.
#[test]
fn the_png_shows_every_text() {
    let svg = figure::svg(&sample()).unwrap();
    let whole = figure::png(&svg, 0.7).unwrap();
    let starts: Vec<usize> = svg.match_indices("<text").map(|(i, _)| i).collect();
    assert!(starts.len() > 40);
    for start in starts {
        let end = start + svg[start..].find("</text>").unwrap() + "</text>".len();
        let without = format!("{}{}", &svg[..start], &svg[end..]);
        assert_ne!(figure::png(&without, 0.7).unwrap(), whole, "{}", &svg[start..end]);
    }
}

/// Values of an attribute of all elements of a name.
fn attributes(svg: &str, element: &str, name: &str) -> Vec<String> {
    let value = |tag: &str| {
        let tag = tag.split_once('>')?.0;
        Some(tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.to_owned())
    };
    svg.split(&format!("<{element}")).skip(1).filter_map(value).collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split([' ', ',']).filter_map(|t| t.parse().ok()).collect()
}

/// Centres of markers on a linear, a logarithmic and a symlog axis, worked out from the stated place of the panel.
#[test]
fn points_stand_where_they_should() {
    let point = |x: Axis, y: Axis, at: (f64, f64)| Panel {
        x,
        y,
        series: vec![Series::new(Mark::Scatter, "bp", "", vec![at.0], vec![at.1])],
        ..Panel::default()
    };
    let linear = || Axis::new("x", "").limits(0.0, 8.0);
    let log = Axis::new("y", "").scale(Scale::Log).limits(1e-2, 1e2);
    // log10(1 + 9 / 1) = 1 and log10(1 + 999 / 1) = 3: at 4/6 of the way from -999 to 999.
    let symlog = Axis::new("y", "").scale(Scale::Symlog { linear: 1.0 }).limits(-999.0, 999.0);
    let figure = Figure {
        panels: vec![point(linear(), log, (2.0, 10.0)), point(linear(), symlog, (8.0, 9.0))],
        ..Figure::default()
    };
    let svg = figure::svg(&figure).unwrap();
    let places: Vec<Vec<f64>> = attributes(&svg, "g", "data-place").iter().map(|p| numbers(p)).collect();
    let (cx, cy) = (attributes(&svg, "circle", "cx"), attributes(&svg, "circle", "cy"));
    for (i, (right, up)) in [(0.25, 0.75), (1.0, 4.0 / 6.0)].into_iter().enumerate() {
        let [left, top, width, height] = places[i][..] else { panic!("{places:?}") };
        // Two decimals are written, of the place and of the point.
        assert!((cx[i].parse::<f64>().unwrap() - (left + right * width)).abs() < 0.02, "{cx:?} {places:?}");
        assert!(
            (cy[i].parse::<f64>().unwrap() - (top + (1.0 - up) * height)).abs() < 0.02,
            "{cy:?} {places:?}"
        );
    }
}

/// Accounts of +3, -1 and +2 at one place: bars from 0 to 3, from -1 to 0 and from 3 to 5.
#[test]
fn accounts_stack_by_sign() {
    let stack = |word: &str, y: f64| Series::new(Mark::Stack, word, "", vec![0.0], vec![y]);
    let panel = Panel {
        x: Axis::new("layer", "").categories(["1"]),
        y: Axis::new("change", "").limits(-5.0, 5.0),
        series: vec![stack("reader", 3.0), stack("writer", -1.0), stack("path", 2.0)],
        ..Panel::default()
    };
    let panel = panel.with_total("sum");
    assert_eq!(panel.series[3].y, [4.0]);
    let svg = figure::svg(&Figure { panels: vec![panel], ..Figure::default() }).unwrap();
    let place = numbers(&attributes(&svg, "g", "data-place")[0]);
    let inside = svg.split_once("<g clip-path").unwrap().1;
    let (y, h) = (attributes(inside, "rect", "y"), attributes(inside, "rect", "height"));
    // Each account is two rectangles, one for its hatching.
    for (i, (low, high)) in [(0.0, 3.0), (-1.0, 0.0), (3.0, 5.0)].into_iter().enumerate() {
        let unit = place[3] / 10.0;
        let (top, height) = (y[2 * i].parse::<f64>().unwrap(), h[2 * i].parse::<f64>().unwrap());
        assert!((top - (place[1] + (5.0 - high) * unit)).abs() < 0.02, "{y:?} {place:?}");
        assert!((height - (high - low) * unit).abs() < 0.02, "{h:?} {place:?}");
    }
}

#[test]
fn a_figure_survives_json() {
    let text = serde_json::to_string(&sample()).unwrap();
    let back: Figure = serde_json::from_str(&text).unwrap();
    assert!(back.panels[0].series[0].y[2].is_nan(), "a missing number stays one");
    assert_eq!(figure::svg(&back).unwrap(), figure::svg(&sample()).unwrap());
}

#[test]
fn csv_has_every_number() {
    let csv = figure::csv(&sample()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "panel,series,style,x_label,x,y_label,y,low,high");
    assert_eq!(lines[3], "first,BP,bp,learning rate η (1/step),3,‖W₁‖²,,,");
    assert_eq!(lines[6], "first,FA & friends,fa,learning rate η (1/step),2,‖W₁‖²,0.01,0.005,0.02");
    assert_eq!(lines[21], "third,BP,bp,width (units),64,accuracy (share),0.9,0.8,1");
    assert_eq!(
        lines[22],
        "third,BP,bp,width (units),\"a very long category indeed, it goes on and on\",accuracy (share),0.8,0.7,0.9"
    );
    assert_eq!(lines.len(), 1 + 8 + 12 + 7);
}

#[test]
fn contradictions_are_refused_by_name() {
    let refuse = |change: fn(&mut Figure), word: &str| {
        let mut figure = sample();
        change(&mut figure);
        match figure::svg(&figure).map(drop) {
            Err(e @ FigureError::Spec { .. }) => assert!(e.to_string().contains(word), "{e}"),
            other => panic!("{word}: {other:?}"),
        }
    };
    refuse(|f| f.panels.clear(), "no panel");
    refuse(|f| f.panels[0].series[0].y.truncate(2), "panel 1 \"first\": series \"BP\": 4 x, 2 y");
    refuse(|f| f.panels[0].series[1].low.clear(), "one end of an interval");
    refuse(|f| f.panels[0].x.min = Some(0.0), "x axis: 0 has no place");
    refuse(|f| f.panels[1].x = Axis::new("step", "").limits(2.0, 1.0), "not below");
    refuse(|f| f.panels[1].y.scale = Scale::Log, "stacked series need");
    refuse(|f| f.panels[1].series[1].x[0] = 0.5, "same x");
    refuse(|f| f.panels[2].series[0].x[1] = 7.0, "number of a category");
    refuse(|f| f.panels[0].title = "漢字".into(), "no sign");
}

#[test]
fn odd_numbers_are_drawn_or_counted() {
    let odd = |y: Vec<f64>| Figure {
        panels: vec![Panel {
            x: Axis::new("step", ""),
            y: Axis::new("loss", "nat"),
            series: vec![Series::new(Mark::Line, "fa", "FA", (0..y.len()).map(|i| i as f64).collect(), y)],
            ..Panel::default()
        }],
        ..Figure::default()
    };
    for y in [
        vec![],
        vec![1.0],
        vec![0.0; 3],
        vec![1e300, -1e300],
        vec![f64::MAX, f64::MIN],
        vec![1.0, 1.0 + f64::EPSILON],
        vec![5e-324, 1e-310],
        vec![f64::NAN; 2],
    ] {
        let svg = figure::svg(&odd(y.clone())).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{y:?}");
        figure::png(&svg, 1.0).unwrap();
    }
}

fn table() -> Table {
    let measured = |mean, low, high| Cell::Number { mean: Some(mean), interval: Some((low, high)) };
    Table {
        caption: "Test accuracy, mean ± 95 % interval over 5 seeds | 100 % MNIST".into(),
        columns: vec![
            Column::new("rule_name"),
            Column::new("accuracy (%)").best(Best::Highest),
            Column::new("loss").best(Best::Lowest),
        ],
        rows: vec![
            vec!["bp".into(), measured(98.1234, 98.0, 98.2468), 0.0712.into()],
            vec!["sign_fa".into(), measured(97.5, 97.1, 98.6), f64::NAN.into()],
        ],
    }
}

#[test]
fn tables_in_three_spellings() {
    let markdown = table().markdown();
    assert_eq!(
        markdown,
        "| rule_name | accuracy (%) | loss |\n| --- | ---: | ---: |\n| bp | **98.12 ± 0.12** | **0.07120** |\n\
         | sign_fa | 97.50 [97.10, 98.60] | – |\n\nTest accuracy, mean ± 95 % interval over 5 seeds \\| 100 % MNIST\n"
    );
    assert_eq!(
        table().csv(),
        "rule_name,accuracy (%),accuracy (%)_low,accuracy (%)_high,loss\nbp,98.1234,98,98.2468,0.0712\nsign_fa,97.5,97.1,98.6,\n"
    );
    let latex = table().latex();
    for part in [
        "\\begin{tabular}{lrr}\n\\toprule\nrule\\_name & accuracy (\\%) & loss \\\\\n\\midrule\n",
        "bp & \\textbf{98.12 $\\pm$ 0.12} & \\textbf{0.07120} \\\\\n",
        "sign\\_fa & 97.50 [97.10, 98.60] & -- \\\\\n\\bottomrule\n",
        "| 100 \\% MNIST}",
    ] {
        assert!(latex.contains(part), "{part}\nnot in\n{latex}");
    }
}

#[test]
fn latex_signs_become_mathematics() {
    let table = Table { columns: vec![Column::new("η = 10⁻³ & ‖W‖² ~ x^2")], ..Table::default() };
    let head = "$\\eta$ = 10$^{-3}$ \\& $\\|$W$\\|$$^{2}$ \\textasciitilde{} x\\textasciicircum{}2";
    assert!(table.latex().contains(head), "{}", table.latex());
}
