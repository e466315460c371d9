/*
 * The ownership protocol of one conversation (ARCHITECTURE.md, "Ownership in a cluster"): who may commit to it, and
 * what becomes of rows of uncertain outcome. `npm run model` searches all of its behaviours within the sizes below,
 * and shows that each mutant (a step left out or swapped, at the #ifdefs) breaks a promise.
 *
 * Any node may stop at any step for any time (the others just run on), may be taken for dead at any moment (clocks
 * are arbitrary), and learns of its death from barriers alone. Checked is that
 *
 *   - the value at a seq that was acknowledged, announced or read never changes, whoever says it;
 *   - whoever passes a barrier as the owner knows all that was said before, and history within a grant shows it;
 *   - seqs are dense, and no row that a recovery left out comes back (its sender may have sent it again);
 *   - (seq, fence) -> bytes and fence -> floor never change, and no seq is missing that a row or a floor calls committed.
 *
 * Steps share one where that hides nothing. What a step sends takes effect when it arrives (store.pml), so sending
 * goes with the step before. From where a barrier found the node live, what it confirms must hold for ever, so it is
 * said there. A kill and the claim for which it is made are one: a death before the claim only stops a node sooner;
 * kills of unknown outcome are steps of their own. A claim of unknown outcome is one that is given up at once.
 */

#ifndef NODES
#define NODES   2
#endif
#ifndef FENCES
#define FENCES  4       /* so FENCES - 1 claims and releases; at most 6 */
#endif
#ifndef SEQS
#define SEQS    2       /* SEQS * FENCES is at most 30 */
#endif

/* conv_owner: changed by LWT only. A plain read shows what it was once: a claim by that is decided by its LWT, and
   that a release took place stays true. So one copy tells all. */
byte owner = 0;
byte fence = 1;
byte lateTo = NODES;    /* a release on its way names this node; NODES: none. A raised fence makes it void */

/* The offer that a node holds: the fence and head of a release to come. And the fences that a release gave: its word,
   or any read of the owner row since, however old, tells of it. */
byte offerFence[NODES];
byte offerHead[NODES];
byte released;

/* What was said to others: the value at a seq once acknowledged, announced or read (0: not yet), the highest such
   seq, and the highest fence that passed a barrier as an owner. */
byte said[SEQS + 1];
byte top;
byte lastServed;

/* Scratch, zero between steps. */
byte seen; byte last; byte c; byte fenceMax; byte best; byte before;

#define CLEAR_SCRATCH   i = 0; s = 0; f = 0; x = 0; y = 0; sight = 0; \
                        seen = 0; last = 0; c = 0; fenceMax = 0; best = 0; before = 0
#define me              _pid

#include "store.pml"

mtype = { IDLE, LOOKED, CLAIMED, FLOOR_READ, REWRITING, FLOORING, FLOORED, SERVING, RELEASING, OVER };

/* The term is left: nothing of it is remembered. */
inline leave(next) {
  mine = 0; head = 0; floor = 0; batch = 0; written = 0; again = 0;
  s = 1;
  do
  :: s <= SEQS -> tail[s] = 0; s++
  :: else -> break
  od;
  s = 0;
  phase = next
}

/* A barrier found the node dead: it is over, in all conversations. */
inline end() {
  d_step {
    printf("node %d: finds itself dead: it is over\n", me);
    DEATH_COMMITTED(me);
    offerFence[me] = 0; offerHead[me] = 0; resting = 0;
    leave(OVER)
  }
}

/* A write of the own fence returned: the rows from `first` to `final` are at a quorum. */
inline arrived(first, final) {
  x = 0; s = first;
  do
  :: s <= final -> x = x | (1 << ROW(s, mine)); s++
  :: else -> break
  od;
  ROWS_COMMITTED(x & sent)
}

inline send(bytes, committed) {
  assert(!(sent & (1 << ROW(s, mine))) || value[ROW(s, mine)] == bytes);
  sent = sent | (1 << ROW(s, mine));
  value[ROW(s, mine)] = bytes;
  cAt[ROW(s, mine)] = committed
}

/* The highest fence at seq s among the rows in sight that the floor does not void; 0: none. */
inline bestRow(floor_) {
  best = 0; f = 1;
  do
  :: f <= FENCES ->
     if
     :: (sight & (1 << ROW(s, f))) && !(floor_ > 0 && s >= start[floor_] && f < floor_) -> best = f
     :: else
     fi;
     f++
  :: else -> break
  od
}

/* What was said of a seq stays; what is new comes right behind it. */
inline say(what) {
  assert(said[s] == 0 || said[s] == what);
  if
  :: said[s] == 0 -> assert(s == top + 1); said[s] = what; top = s
  :: else
  fi
}

/* A barrier passed. */
inline serves() {
  lastServed = (mine > lastServed -> mine : lastServed)
}

inline raise(to) {
  owner = to; fence++; lateTo = NODES
}

/* ---- what the mutants do otherwise ---- */

#ifdef DEATH_BY_READ            /* takes a plain read's word for a death */
#define KILL_OWNER      readDeath(owner, seen)
#else
#ifdef COMMIT_ONE               /* LWTs committed at LOCAL_ONE, the driver's default */
#define KILL_OWNER      dead = dead | (1 << owner); DEATH_AT_ONE(owner); seen = 1
#else
#define KILL_OWNER      dead = dead | (1 << owner); DEATH_COMMITTED(owner); seen = 1
#endif
#endif

#ifdef FLOOR_BEFORE_CLAIM
#define BEFORE_CLAIM    LOOKED
#define AFTER_CLAIM     FLOOR_READ
#else
#define BEFORE_CLAIM    IDLE
#define AFTER_CLAIM     CLAIMED
#endif

#ifdef FENCE_REUSED             /* an unfinished recovery is read again at the same fence */
#define GIVE_UP         floor = 0; again = 0; phase = CLAIMED
#else
#define GIVE_UP         leave(IDLE)
#endif

#ifdef SEAL_AFTER_RELEASE
#define IN_SERVICE      (phase == SERVING || phase == RELEASING)
#define RELEASED        skip
#else
#define IN_SERVICE      (phase == SERVING)
#define RELEASED        leave(IDLE)
#endif

#ifdef RELEASE_IN_FLIGHT        /* what is in flight at a release is still acknowledged */
#define IN_FLIGHT       (batch > 0 && (phase == SERVING || phase == RELEASING))
#else
#define IN_FLIGHT       (batch > 0 && IN_SERVICE)
#endif

#if defined(RELEASE_IN_FLIGHT) || defined(RELEASE_UNSETTLED)
#define MAY_RELEASE     true
#else
#define MAY_RELEASE     (batch == 0)
#endif

/* ---- a node ---- */

active [NODES] proctype node()
{
  mtype phase = (me == 0 -> SERVING : IDLE);
  byte mine = (me == 0 -> 1 : 0);       /* the fence of the term */
  byte head;                            /* its committed seq */
  byte batch;                           /* how many rows are in flight, from head + 1 */
  bit  written;                         /* they are known at a quorum */
  byte floor;                           /* the fence of the floor that the recovery read; 0: none */
  byte tail[SEQS + 1];                  /* the rows that it read */
  bit  again;                           /* no recovery: a settled term that starts to serve again */
  byte resting;                         /* the fence of a settled term that is remembered; 0: none */

end_waits:
  do

  /* Life: somebody suspects this node, marks it dead by LWT, and does not learn how that ended. */
  :: atomic { phase != OVER && !(dead & (1 << me)) ->
       printf("node %d: is marked dead, known to none\n", me);
       dead = dead | (1 << me) }

  /* -- acquire -- */

#ifdef FLOOR_BEFORE_CLAIM
  :: atomic { phase == IDLE && resting == 0 ->
       readFloor(floor);
       printf("node %d: reads the floor: fence %d, start %d\n", me, floor, start[floor]);
       phase = LOOKED;
       tidy() }
#endif

  /* Owner is me, not settled: fence + 1. Owner is another: first its death, by an own applied LWT; then the same. */
  :: atomic { phase == BEFORE_CLAIM && resting == 0 && fence < FENCES ->
       if
       :: owner == me -> seen = 1
       :: owner != me -> KILL_OWNER
       fi;
       if
       :: seen ->
          d_step {
            printf("node %d: claims from node %d: fence %d\n", me, owner, fence + 1);
            raise(me);
            mine = fence;
            offerFence[me] = 0; offerHead[me] = 0;
            phase = AFTER_CLAIM
          }
       :: else
       fi;
       tidy() }

  /* Owner is me, remembered settled: no claim; the floor and the rows are read, and a higher fence ends it. */
  :: atomic { phase == IDLE && resting > 0 ->
       printf("node %d: goes on with its settled fence %d\n", me, resting);
       mine = resting; resting = 0; again = 1; phase = CLAIMED }

  /* Owner is me, by a release: its word is used once, against the offer that is held for exactly this fence. */
  :: atomic { phase == IDLE && offerFence[me] > 0 && (released & (1 << offerFence[me])) ->
       d_step {
         printf("node %d: serves fence %d from %d, as released to it\n", me, offerFence[me], offerHead[me]);
         mine = offerFence[me]; head = offerHead[me]; resting = 0; phase = SERVING;
#ifndef WORD_TWICE
         offerFence[me] = 0; offerHead[me] = 0
#endif
       } }

  /* -- recover: claim applied -> floor -> rows -> rewrite at a quorum -> floor at a quorum -> barrier -> serve -- */

  :: atomic { phase == CLAIMED ->
       readFloor(floor);
       printf("node %d: reads the floor: fence %d, start %d\n", me, floor, start[floor]);
       phase = FLOOR_READ;
       tidy() }

  :: atomic { phase == FLOOR_READ ->
       readRows();
       d_step {
         /* Committed is at least what the floor or any row calls so. */
         c = (floor > 0 -> start[floor] - 1 : 0);
         i = 0;
         do
         :: i < ROWS ->
            if
            :: sight & (1 << i) ->
               c = (cAt[i] > c -> cAt[i] : c);
               f = (i % FENCES) + 1;
               fenceMax = (f > fenceMax -> f : fenceMax)
            :: else
            fi;
            i++
         :: else -> break
         od;
         /* Of each seq the highest fence; the contiguous prefix. Fences may fall along the seqs. */
         s = 1;
         do
         :: s <= SEQS ->
            bestRow(floor);
            if
            :: best == 0 -> break
#ifdef FENCES_RISE
            :: best > 0 && best < before -> break
            :: best > 0 && best >= before ->
#else
            :: best > 0 ->
#endif
               tail[s] = value[ROW(s, best)];
               before = best; last = s; s++
            fi
         :: else -> break
         od;
         if
         :: fenceMax > mine || floor > mine ->
            printf("node %d: sees a higher fence: its fence %d is over\n", me, mine);
            leave(IDLE)
         :: else ->
            printf("node %d: reads the rows: to %d, committed at least %d\n", me, last, c);
            assert(last >= c);
            head = last;
            if
            :: again -> phase = FLOORED
            :: else ->
#ifndef NO_REWRITE
               /* Each row above is written at the own fence: it may be on one replica alone. */
               s = c + 1;
               do
               :: s <= last -> send(tail[s], c); s++
               :: else -> break
               od;
#endif
               phase = REWRITING
            fi
         fi
       };
       tidy() }

  :: atomic { phase == REWRITING ->
       d_step {
         printf("node %d: its rewrite is at a quorum, to %d at fence %d\n", me, head, mine);
         arrived(1, SEQS);
#ifdef NO_FLOOR
         phase = FLOORED
#else
         assert(start[mine] == 0 || start[mine] == head + 1);
         start[mine] = head + 1;
         phase = FLOORING
#endif
       };
       tidy() }

  :: atomic { phase == FLOORING ->
       d_step {
         printf("node %d: its floor is at a quorum: fence %d, start %d\n", me, mine, head + 1);
         FLOOR_COMMITTED(mine);
         phase = FLOORED
       };
       tidy() }

  /* Its head is announced, and with it all that was found. */
  :: atomic { phase == FLOORED ->
#ifndef NO_RECOVERY_BARRIER
       readDeath(me, seen);
#endif
       if
       :: seen -> end()
       :: else ->
          d_step {
            printf("node %d: serves fence %d from %d\n", me, mine, head);
            s = 1;
            do
            :: s <= head ->
#ifndef NO_RECOVERY_BARRIER
               assert(said[s] > 0 || tail[s] >= lastServed);
#endif
               say(tail[s]);
               tail[s] = 0; s++
            :: else -> break
            od;
#ifndef NO_RECOVERY_BARRIER
            assert(head >= top);
            serves();
#endif
            floor = 0; again = 0; phase = SERVING
          }
       fi;
       tidy() }

  /* A step of unknown outcome: never read again at the same fence. */
  :: atomic { phase == CLAIMED || phase == FLOOR_READ || phase == REWRITING || phase == FLOORING ||
              phase == FLOORED || phase == LOOKED ->
       d_step {
         printf("node %d: does not learn how its step ended, and gives up\n", me);
         if
         :: phase == LOOKED -> leave(IDLE)
         :: else -> GIVE_UP
         fi
       } }

  /* -- append: write -> barrier -> acknowledge; one batch in flight -- */

  :: atomic { IN_SERVICE && batch == 0 && head < SEQS ->
#ifdef BARRIER_EARLY
       readDeath(me, seen);
#endif
       if
       :: seen -> end()
       :: !seen -> batch = 1
       :: !seen && head + 2 <= SEQS -> batch = 2
       fi;
       d_step {
         s = head + 1;
         do
         :: s <= head + batch ->
            printf("node %d: sends seq %d at fence %d\n", me, s, mine);
            assert(!(sent & (1 << ROW(s, mine))));
            send(mine, head);
            s++
         :: else -> break
         od
       };
       tidy() }

  :: atomic { IN_FLIGHT && !written ->
       d_step {
         printf("node %d: its batch is at a quorum, to %d\n", me, head + batch);
         arrived(head + 1, head + batch);
         written = 1
       };
       tidy() }

  :: atomic { IN_FLIGHT && written ->
#if !defined(NO_BARRIER) && !defined(BARRIER_EARLY)
       readDeath(me, seen);
#endif
       if
       :: seen -> end()
       :: else ->
          d_step {
            printf("node %d: acknowledges to %d\n", me, head + batch);
            s = head + 1;
            do
            :: s <= head + batch -> say(mine); s++
            :: else -> break
            od;
            head = head + batch; batch = 0; written = 0;
            serves()
          }
       fi;
       tidy() }

  /* Timed out: sealed; the batch is still on its way, and the term is not settled. */
  :: atomic { phase == SERVING && batch > 0 ->
       d_step {
         printf("node %d: its batch times out: sealed\n", me);
         leave(IDLE)
       } }

  /* -- read: from the owner's memory, after a barrier -- */

  :: atomic { IN_SERVICE ->
#ifndef READ_WITHOUT_BARRIER
       readDeath(me, seen);
#endif
       if
       :: seen -> end()
       :: else ->
          d_step {
            printf("node %d: answers a read, to %d\n", me, head);
            assert(head >= top);
            serves()
          }
       fi;
       tidy() }

  /* -- release: settled -> sealed -> one LWT that names the successor -> the word -- */

  :: atomic { phase == SERVING && MAY_RELEASE && owner == me && fence == mine && fence < FENCES ->
       if
       :: i = (me + 1) % NODES
#if NODES > 2
       :: i = (me + 2) % NODES
#endif
       fi;
       d_step {
         printf("node %d: sealed at %d, releases fence %d to node %d\n", me, head, mine, i);
         offerFence[i] = mine + 1; offerHead[i] = head;
         lateTo = i;
         phase = RELEASING
       };
       tidy() }

  :: atomic { phase == RELEASING && owner == me && fence == mine ->
       d_step {
         printf("node %d: has released, and tells node %d\n", me, lateTo);
         raise(lateTo);
         released = released | (1 << fence);
         RELEASED
       };
       tidy() }

  /* Unknown: not settled. The LWT may still be applied, as long as nobody raised the fence. */
  :: atomic { phase == RELEASING ->
       d_step {
         printf("node %d: does not learn how its release ended\n", me);
         leave(IDLE)
       } }

  :: atomic { owner == me && lateTo < NODES ->
       d_step {
         printf("node %d: its release to node %d is applied, known to none\n", me, lateTo);
         raise(lateTo);
         released = released | (1 << fence)
       } }

  /* -- a settled term is let go, and remembered -- */

  :: atomic { phase == SERVING && batch == 0 ->
       d_step {
         printf("node %d: lets fence %d rest\n", me, mine);
         resting = mine;
         leave(IDLE)
       } }

  od
}

#ifdef EDGE
/*
 * An edge reads history from the store within a grant: the highest fence per seq, without regard to the floor, or by
 * a floor that it reads after the grant (by one read before it, a hole would be seen). Whatever a read may show of
 * the rows then, is checked.
 */
active proctype edge()
{
  byte granted;
  byte floor;

end_waits:
  do
  :: atomic { granted == 0 && top > 0 ->
       granted = top;
       if
       :: true
       :: readFloor(floor)
       fi;
       printf("edge: may read to %d; by the floor: fence %d, start %d\n", granted, floor, start[floor]) }

  :: atomic { granted > 0 ->
       d_step {
         printf("edge: reads history to %d\n", granted);
         s = 1;
         do
         :: s <= granted ->
            sight = atQuorum;
            bestRow(floor);
            assert(best > 0);
            f = best;
            do
            :: f <= FENCES ->
               assert(!(sent & (1 << ROW(s, f))) || value[ROW(s, f)] == said[s]);
               f++
            :: else -> break
            od;
            s++
         :: else -> break
         od;
         granted = 0; floor = 0
       };
       tidy() }
  od
}
#endif
