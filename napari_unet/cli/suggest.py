"""``napari-unet refine --suggest``: which refinement a mask gains from, told by paint."""

from argparse import Namespace

from napari_unet.cli.evidence import intensities_on, probabilities_on
from napari_unet.cli.files import check_output
from napari_unet.cli.output import print_json, print_table
from napari_unet.cli.reading import read_mask
from napari_unet.cli.running import run as run_job


def suggest(args: Namespace) -> None:
    """Try a few refinements, print what they gain, and write the steps of the best where that was asked for."""
    # Imported here: SciPy would keep --help waiting.
    from napari_unet.config import RefineConfig
    from napari_unet.refinement.pipeline_file import write_pipeline
    from napari_unet.refinement.suggestions import advice, suggest_job

    if args.save_pipeline:
        check_output(args.save_pipeline, (".json",), [args.mask, args.suggest])
    mask = read_mask(args.mask)
    grid = mask.as_scan(args.mask.name)
    job = suggest_job(
        grid.fold(mask.labels),
        read_mask(args.suggest).folded_onto(grid, f"the paint {args.suggest}"),
        spacing=grid.spacing,
        depth=grid.depth,
        intensities=intensities_on(mask, args.scan),
        probabilities=probabilities_on(grid, mask, args.probabilities),
    )
    tried = run_job(job, "suggest").result
    best = tried[0].config if tried and tried[0].helps else RefineConfig(steps=())
    if args.save_pipeline:
        write_pipeline(args.save_pipeline, best)
    if args.json:
        rows = [
            {"words": one.words, "before": one.before, "after": one.after, "error": one.error, "helps": one.helps}
            for one in tried
        ]
        print_json({"advice": advice(tried), "pipeline": best.model_dump(mode="json"), "tried": rows})
        return
    print_table(("refinement", "gain in Dice", ""), [(one.words, f"{one.gain:+.4f}", one.verdict) for one in tried])
    print(advice(tried))
