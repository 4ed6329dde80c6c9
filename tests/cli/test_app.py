import inspect
import subprocess
import sys

import divulge
from divulge.cli.app import app
from divulge.cli.commands import belief, explanations, leaks


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "divulge", *arguments], capture_output=True, text=True, check=False
    )


def test_version(command):
    assert command("--version") == (0, f"divulge {divulge.__version__}\n", "")


def test_help_of_everything(command):
    for arguments in ((), ("--help",), ("reconstruct", "--help")):
        code, out, err = command(*arguments)
        assert (code, err) == (0, "")
        assert "Usage:" in out
        assert "reconstruct" in out


def test_an_unknown_command_is_one_sentence(command):
    code, out, err = command("reconstrct")
    assert (code, out) == (2, "")
    assert err.startswith("divulge: No such command 'reconstrct'")


def test_runs_as_a_module_and_without_torch_where_it_can():
    program = "import sys; sys.argv = ['divulge', '--version']\n"
    program += "try:\n    from divulge.cli import main; main()\nfinally:\n    print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"divulge {divulge.__version__}", "False"]
    assert run("--version").stdout == f"divulge {divulge.__version__}\n"
    failed = run("reconstruct", "--hidden", "0")
    assert (failed.returncode, failed.stdout) == (2, "")
    assert (
        failed.stderr
        == "divulge: Invalid value for '--hidden': expected a whole number of at least 1, got 0\n"
    )


def test_every_command_that_is_written_is_entered():
    written = {
        function
        for module in (belief, explanations, leaks)
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and name[0] != "_"
    }
    entered = {command.callback for command in app.registered_commands}
    assert written <= entered
    assert len(entered) == len(app.registered_commands)
