#include <doctest/doctest.h>

#include "core/rows/match_rows.h"
#include "core/rows/row_groups.h"

using namespace divulge;

TEST_CASE("partial rows of one unit find together") {
  const double rows[4 * 4] = {1, 2, 3, 0, 0, -4, -6, -8, 5, 1, 1, 5, 2, 4, 6, 9};
  const bool masks[4 * 4] = {true, true, true,  false, false, true, true, true,
                             true, true, false, true,  false, true, true, true};
  const double offsets[4] = {1, -2, 0, 2};
  const RowGroups found = match_rows({rows, 4, 4}, {masks, 4, 4}, {offsets, 4}, 1e-9, 2);
  CHECK(found.labels ==
        std::vector<std::int64_t>{0, 0, 1, 2});  // the last differs from row 1 in its last entry
  CHECK(found.factors[1] == doctest::Approx(-2));
  CHECK(match_rows({nullptr, 0, 4}, {nullptr, 0, 4}, {}, 1e-9, 1).labels.empty());
}

TEST_CASE("groups keep factors and refuse contradictions") {
  FactorGroups groups(70);
  groups.contradict(2, 69);
  groups.join(0, 1, 2);
  groups.join(69, 1, -1);  // row 1 is minus row 69
  groups.join(2, 0, 1);
  CHECK(groups.root(0) == groups.root(69));
  CHECK(groups.root(2) != groups.root(0));
  CHECK(groups.factor_to_root(69) / groups.factor_to_root(0) == doctest::Approx(-2));
}
