#pragma once

// Lets whoever hosts the core stop a long loop, for example on Ctrl-C.
namespace divulge {

// Called now and then from long loops, on whichever thread runs them; throws what shall end the loop.
// nullptr for none. To be set once, before other threads run.
void set_interrupt_check(void (*check)());

// Calls the check if this thread has not done so for 50 ms.
void check_interrupt();

}  // namespace divulge
