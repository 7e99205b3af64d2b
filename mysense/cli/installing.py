"""``mysense install-service``: systemd starts the kit at every boot, and watches over it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mysense import config, sample
from mysense.cli.common import config_option
from mysense.systemd.files import CONF, File, quoted, system, user

HOMES = (Path("/home"), Path("/root"))
"""Where the service's user may not look."""


@click.command("install-service")
@config_option
@click.option("--user", "own", is_flag=True, help="A service of your own, that needs no root.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written and run.")
@click.option("--force", is_flag=True, help="Overwrite files that somebody has changed, without asking.")
@click.option("--uninstall", is_flag=True, help="Stop the service and remove its files; the rest stays.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), show_default=True,
              help="Write into the files of another system, such as an image; nothing is run.")  # fmt: skip
@click.pass_context
def install_service(ctx: click.Context, own: bool, dry_run: bool, force: bool, uninstall: bool, root: Path) -> None:
    """Make the kit a service of systemd: a unit, its user and groups, and rules for its devices."""
    here = root == Path("/")
    os.umask(0o022)  # whatever root's is: these files are for others to read
    if own:
        conf = config.find(ctx.find_root().obj).absolute() if not uninstall else CONF
        files = user(_home(), quoted(_program()), conf)
    else:
        files = system(quoted(_program()), (ctx.find_root().obj or CONF).absolute())
        if here and not dry_run:
            _must_be_possible()
    service = Service(root, here, dry_run, force, ["systemctl", *(["--user"] if own else [])])
    if uninstall:
        service.remove(files)
        return
    service.write(files)
    if own:
        click.echo("next: systemctl --user enable --now mysense; loginctl enable-linger keeps it running without you")
        return
    if not ctx.find_root().obj:
        service.begin(CONF)
    click.echo(f"next: sudo {_program()} init -o {CONF}   finds the sensors (or edit that file)")
    click.echo(f"      sudo -u mysense {_program()} check")
    click.echo("      sudo systemctl enable --now mysense")


def _home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _program() -> str:
    """This very program, as a unit names it."""
    return str(Path(sys.executable).with_name("mysense"))


def _must_be_possible() -> None:
    """Whether a service of the machine can be made here, and its user can reach this program."""
    if os.getuid() != 0:
        raise click.ClickException(f"only root may write there: sudo {_program()} install-service, or use --user")
    for path in (Path(_program()), Path(sys.executable).resolve()):
        if any(path.is_relative_to(home) for home in HOMES):
            raise click.ClickException(
                f"{path} is where a service's user may not look: "
                "install mysense into /opt/mysense (docs/pi.md says how), or use --user"
            )


class Service:
    """Writes and removes the files under *root*; what is to be run is run *here*, or nowhere."""

    def __init__(self, root: Path, here: bool, dry_run: bool, force: bool, systemctl: Sequence[str]) -> None:
        self._root, self._here, self._dry_run, self._force = root, here, dry_run, force
        self._systemctl = list(systemctl)

    def write(self, files: Sequence[File]) -> None:
        """Write what is not there, and let those know whom it is meant for."""
        places = [(file, self._place(file.path)) for file in files]
        news = [(file, place) for file, place in places if _text(place) != file.text]
        for _, place in news:
            if _text(place) is not None:
                self._may("overwrite", place)
        for file, place in places:
            if (file, place) not in news:
                click.echo(f"{place} is as it should be")
            elif self._dry_run:
                click.echo(f"would write {place}:\n\n{file.text}")
            else:
                _write(place, file.text)
                click.echo(f"wrote {place}")
        for file, _ in news:
            for command in file.then:
                self._run(command)

    def begin(self, conf: Path) -> None:
        """A MySense.conf to begin with, where there is none: a simulated kit that tells its telegrams to the log."""
        place = self._place(conf)
        if place.exists():
            click.echo(f"{place} is there already, and stays as it is")
        elif self._dry_run:
            click.echo(f"would write {place}: a simulated kit, to begin with")
        else:
            _write(place, sample.repository())
            place.chmod(0o640)  # somebody will write a password into it
            click.echo(f"wrote {place}: a simulated kit, to begin with")
            self._run(["chgrp", "mysense", str(conf)])

    def remove(self, files: Sequence[File]) -> None:
        """Stop the service and remove what ``write`` wrote; configuration, journal and user stay."""
        there = [(file, self._place(file.path)) for file in files if self._place(file.path).exists()]
        for file, place in there:
            if _gist(_text(place)) != _gist(file.text):
                self._may("remove", place)
        if there:
            self._run([*self._systemctl, "disable", "--now", "mysense"])
        for _, place in there:
            if not self._dry_run:
                place.unlink()
            click.echo(f"{'would remove' if self._dry_run else 'removed'} {place}")
        if there:
            self._run([*self._systemctl, "daemon-reload"])
        click.echo("MySense.conf, the journal and the user mysense stay")

    def _place(self, path: Path) -> Path:
        return self._root / path.relative_to("/") if not self._here else path

    def _may(self, verb: str, place: Path) -> None:
        """Ask before a file goes that somebody has changed."""
        if self._force or self._dry_run:
            return
        if not sys.stdin.isatty():
            raise click.ClickException(f"{place} is not as mysense writes it; --force to {verb} it all the same")
        click.confirm(f"{place} is not as mysense writes it; {verb} it?", abort=True)

    def _run(self, command: Sequence[str]) -> None:
        said = " ".join(command)
        if self._dry_run or not self._here:
            click.echo(f"{'would run' if self._dry_run else 'to be run there'}: {said}")
        elif not shutil.which(command[0]):
            click.echo(f"there is no {command[0]} here: passed over: {said}")
        else:
            click.echo(f"$ {said}")
            if subprocess.run(command).returncode:  # noqa: S603
                raise click.ClickException(f"'{said}' failed")


def _text(place: Path) -> str | None:
    try:
        return place.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _gist(text: str | None) -> list[str]:
    """The lines of a file, but for those that depend on where this program lies."""
    return [line for line in (text or "").splitlines() if not line.startswith("Exec")]


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
