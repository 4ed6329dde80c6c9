from pathlib import Path

import divulge


def test_nothing_but_tests_and_benchmarks():
    package = Path(divulge.__file__).parent
    sources = [path for path in package.rglob("*.py") if "reference" not in path.relative_to(package).parts]
    assert len(sources) > 100
    assert [str(path) for path in sources if "divulge.reference" in path.read_text(encoding="utf-8")] == []
