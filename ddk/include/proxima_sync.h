/*
 * Locks and events for drivers, as inline code over Kernel_WaitAddress and Kernel_WakeAddress.
 *
 * Zeroed memory is an unlocked lock, a semaphore without units, an event that is not set, and a completion that is pending. So a
 * static variable needs no initialization. An object may not move while it is in use.
 *
 * Only a spin lock may be locked in a handler, for example in a timer's callback. An unlock, Semaphore_Up, Event_Set and
 * Completion_Complete may be called there, too; what waits may not.
 *
 * C11 or C++11 or later, with the atomic built-ins of GCC and Clang.
 */
#ifndef PROXIMA_SYNC_H
#define PROXIMA_SYNC_H

#include <proxima.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Spin lock ---- */

/*
 * What one CPU at a time may hold, with interrupts off. CPUs that wait get it in the order in which they came. Its holder must not
 * wait or allocate: the kernel refuses functions marked [thread].
 */
typedef struct {
    uint16_t Next;    /* the ticket that the next CPU takes */
    uint16_t Served;  /* the ticket that is served; only the holder writes it */
} SpinLock;

#ifdef PROXIMA_HOST
/* In a test on a host, ddk/mock has the interrupts, and knows when a CPU waits for another one. */
extern uint64_t ProximaHost_InterruptsOff(void);
extern void ProximaHost_RestoreInterrupts(uint64_t flags);
extern void ProximaHost_Spin(void);
#define ProximaSync_InterruptsOff ProximaHost_InterruptsOff
#define ProximaSync_RestoreInterrupts ProximaHost_RestoreInterrupts
#define ProximaSync_Spin ProximaHost_Spin
#else
/* Switches interrupts off on the running CPU. Returns the flags from before. */
static inline uint64_t ProximaSync_InterruptsOff(void) {
    uint64_t flags;
    __asm__ volatile("pushfq\n\tpop %0\n\tcli" : "=r"(flags) : : "memory");
    return flags;
}

/* Switches interrupts on if they are on in these flags. */
static inline void ProximaSync_RestoreInterrupts(uint64_t flags) {
    if (flags & (1u << 9)) {
        __asm__ volatile("sti" : : : "memory");
    }
}

/* Lets time pass in a loop that waits for another CPU. */
static inline void ProximaSync_Spin(void) {
    __asm__ volatile("pause");
}
#endif

/* Waits for the lock and takes it. The result is for SpinLock_Unlock. */
static inline uint64_t SpinLock_Lock(SpinLock *lock) {
    uint64_t flags = ProximaSync_InterruptsOff();
    uint16_t ticket = __atomic_fetch_add(&lock->Next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&lock->Served, __ATOMIC_ACQUIRE) != ticket) {
        ProximaSync_Spin();
    }
    return flags;
}

/* Releases the lock, and switches interrupts on if they were on before SpinLock_Lock, which returned `flags`. */
static inline void SpinLock_Unlock(SpinLock *lock, uint64_t flags) {
    uint16_t served = (uint16_t)(__atomic_load_n(&lock->Served, __ATOMIC_RELAXED) + 1);
    __atomic_store_n(&lock->Served, served, __ATOMIC_RELEASE);
    ProximaSync_RestoreInterrupts(flags);
}

/* ---- Turn ---- */

/*
 * The right to do some work, for example to complete what a device has done. One CPU at a time has it. Nobody waits for it: who does
 * not get it leaves, and the work is done once more for it. So an interrupt handler may want the turn that the code has which it interrupts.
 *
 *     if (Turn_Take(&turn) || Turn_Want(&turn)) {
 *         do {
 *             work();
 *         } while (Turn_EndIsEarly(&turn) && Turn_TakeAgain(&turn));
 *     }
 */
typedef struct {
    uint32_t State;  /* bit 0: somebody has the turn; bit 1: somebody else has wanted it since */
} Turn;

/* Takes the turn. Returns false if somebody has it. */
static inline bool Turn_Take(Turn *turn) {
    return !(__atomic_fetch_or(&turn->State, 1u, __ATOMIC_ACQUIRE) & 1u);
}

/*
 * Makes whoever has the turn do the work once more; it sees what the caller has written until now. Returns true if nobody has it any
 * more: then the caller has it.
 */
static inline bool Turn_Want(Turn *turn) {
    return !(__atomic_fetch_or(&turn->State, 3u, __ATOMIC_ACQ_REL) & 1u);
}

/* Ends the turn. Returns true if somebody has wanted it since: then the caller calls Turn_TakeAgain. */
static inline bool Turn_EndIsEarly(Turn *turn) {
    return __atomic_sub_fetch(&turn->State, 1u, __ATOMIC_SEQ_CST) != 0;
}

/* Takes the turn again, for those that have wanted it. Returns false if somebody else has taken it, who then does it for them. */
static inline bool Turn_TakeAgain(Turn *turn) {
    if (!Turn_Take(turn)) {
        return false;
    }
    __atomic_fetch_and(&turn->State, ~2u, __ATOMIC_ACQUIRE);
    return true;
}

/* ---- Mutex ---- */

/* What one thread at a time may hold. Others sleep meanwhile. Its holder may wait and allocate. */
typedef struct {
    uint32_t State;  /* 0: free; 1: held; 2: held, and another thread may wait */
} Mutex;

/* Waits until the word may have changed from `expected`. If the kernel does not let the caller wait, lets others run. */
static inline void ProximaSync_Wait(const uint32_t *word, uint32_t expected) {
    if (Kernel_WaitAddress(word, expected, KERNEL_WAIT_FOREVER) != KERNEL_WAIT_WOKEN) {
        Kernel_YieldThread();
    }
}

/* Takes the mutex if it is free. */
static inline bool Mutex_TryLock(Mutex *mutex) {
    uint32_t free = 0;
    return __atomic_compare_exchange_n(&mutex->State, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Waits for the mutex and takes it. */
static inline void Mutex_Lock(Mutex *mutex) {
    if (Mutex_TryLock(mutex)) {
        return;
    }
    while (__atomic_exchange_n(&mutex->State, 2, __ATOMIC_ACQUIRE) != 0) {
        ProximaSync_Wait(&mutex->State, 2);
    }
}

/* Releases the mutex. */
static inline void Mutex_Unlock(Mutex *mutex) {
    if (__atomic_exchange_n(&mutex->State, 0, __ATOMIC_RELEASE) == 2) {
        Kernel_WakeAddress(&mutex->State, 1);
    }
}

/* ---- Times of waits ---- */

/* Returns when a wait of so many nanoseconds ends; KERNEL_WAIT_FOREVER: never. */
static inline uint64_t ProximaSync_End(uint64_t nanoseconds) {
    uint64_t now = nanoseconds == 0 || nanoseconds == KERNEL_WAIT_FOREVER ? 0 : Kernel_GetTime();
    return nanoseconds > UINT64_MAX - now ? UINT64_MAX : now + nanoseconds;
}

/* Waits until the word may have changed from `expected`. Returns false if the time `end` has come. */
static inline bool ProximaSync_WaitUntil(const uint32_t *word, uint32_t expected, uint64_t end) {
    if (end == KERNEL_WAIT_FOREVER) {
        ProximaSync_Wait(word, expected);
        return true;
    }
    uint64_t now = end == 0 ? 0 : Kernel_GetTime();
    return now < end && Kernel_WaitAddress(word, expected, end - now) == KERNEL_WAIT_WOKEN;
}

/* ---- Semaphore ---- */

/* Units that threads take and others give. */
typedef struct {
    uint32_t Units;
    uint32_t Waiters;  /* how many threads wait for a unit, or are about to */
} Semaphore;

/* Takes a unit if there is one. */
static inline bool Semaphore_TryDown(Semaphore *semaphore) {
    uint32_t units = __atomic_load_n(&semaphore->Units, __ATOMIC_RELAXED);
    while (units != 0) {
        if (__atomic_compare_exchange_n(
                &semaphore->Units, &units, units - 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

/* Waits for a unit and takes it, for so many nanoseconds or KERNEL_WAIT_FOREVER. Returns false if the time has passed. */
static inline bool Semaphore_DownFor(Semaphore *semaphore, uint64_t nanoseconds) {
    if (Semaphore_TryDown(semaphore)) {
        return true;
    }
    uint64_t end = ProximaSync_End(nanoseconds);
    bool taken, in_time = true;
    __atomic_fetch_add(&semaphore->Waiters, 1, __ATOMIC_SEQ_CST);
    while (!(taken = Semaphore_TryDown(semaphore)) && in_time) {
        in_time = ProximaSync_WaitUntil(&semaphore->Units, 0, end);
    }
    __atomic_fetch_sub(&semaphore->Waiters, 1, __ATOMIC_RELAXED);
    return taken;
}

/* Waits for a unit and takes it. */
static inline void Semaphore_Down(Semaphore *semaphore) {
    Semaphore_DownFor(semaphore, KERNEL_WAIT_FOREVER);
}

/* Gives a unit. */
static inline void Semaphore_Up(Semaphore *semaphore) {
    __atomic_fetch_add(&semaphore->Units, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&semaphore->Waiters, __ATOMIC_SEQ_CST) != 0) {
        Kernel_WakeAddress(&semaphore->Units, 1);
    }
}

/* ---- Event ---- */

/* What is set or not. Threads wait until it is set. */
typedef struct {
    uint32_t State;  /* 0: not set; 1: not set, and threads may wait; 2: set */
} Event;

/* Returns true if the event is set. */
static inline bool Event_IsSet(const Event *event) {
    return __atomic_load_n(&event->State, __ATOMIC_ACQUIRE) == 2;
}

/* Sets the event, and wakes all threads that wait for it. After this call has changed the event, it does not touch it again. */
static inline void Event_Set(Event *event) {
    if (__atomic_exchange_n(&event->State, 2, __ATOMIC_RELEASE) == 1) {
        Kernel_WakeAddress(&event->State, INT32_MAX);
    }
}

/* Makes the event one that is not set. */
static inline void Event_Reset(Event *event) {
    uint32_t set = 2;
    __atomic_compare_exchange_n(&event->State, &set, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Waits until the event is set, for so many nanoseconds or KERNEL_WAIT_FOREVER. Returns false if the time has passed. */
static inline bool Event_WaitFor(Event *event, uint64_t nanoseconds) {
    uint64_t end = ProximaSync_End(nanoseconds);
    bool in_time = true;
    for (;;) {
        uint32_t state = __atomic_load_n(&event->State, __ATOMIC_ACQUIRE);
        if (state == 2) {
            return true;
        }
        if (!in_time) {
            return false;
        }
        if (state == 1
            || __atomic_compare_exchange_n(&event->State, &state, 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            in_time = ProximaSync_WaitUntil(&event->State, 1, end);
        }
    }
}

/* Waits until the event is set. */
static inline void Event_Wait(Event *event) {
    Event_WaitFor(event, KERNEL_WAIT_FOREVER);
}

/* ---- Completion ---- */

/*
 * The end of one operation, with its status. A thread waits on its own stack for it: as soon as the wait has ended, nobody else
 * touches the object.
 */
typedef struct {
    Event Ended;
    int32_t Status;
} Completion;

/* Ends the operation, and wakes all threads that wait for it. Called once. */
static inline void Completion_Complete(Completion *completion, int32_t status) {
    completion->Status = status;
    Event_Set(&completion->Ended);
}

/* Waits for the end of the operation, and returns its status. */
static inline int32_t Completion_Wait(Completion *completion) {
    Event_Wait(&completion->Ended);
    return completion->Status;
}

/*
 * Waits for the end of the operation, for so many nanoseconds. Returns false if the time has passed; the operation may still end.
 * Otherwise `status` receives its status.
 */
static inline bool Completion_WaitFor(Completion *completion, uint64_t nanoseconds, int32_t *status) {
    bool ended = Event_WaitFor(&completion->Ended, nanoseconds);
    if (ended) {
        *status = completion->Status;
    }
    return ended;
}

#ifdef __cplusplus
}
#endif

#endif /* PROXIMA_SYNC_H */
