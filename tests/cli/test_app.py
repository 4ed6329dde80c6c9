import subprocess
import sys

import divulge


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "divulge.cli", *arguments], capture_output=True, text=True, check=False
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
