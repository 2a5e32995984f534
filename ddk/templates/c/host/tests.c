// Tests of my_driver without a machine: ddk/mock/test.sh FOLDER.
#include <proxima_mock.h>

static void starts_and_leaves_nothing(void *context) {
    (void)context;
    MOCK_REQUIRE(Mock_Load() == 0);
}

int main(void) {
    MockMachine machine = {.Nodes = 2};
    MockDriver driver = MOCK_DRIVER("my_driver");
    return Mock_Run(&machine, &driver, starts_and_leaves_nothing, NULL) ? 0 : 1;
}
