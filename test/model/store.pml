/*
 * The store: three replicas, reads and writes at a quorum of two. Included by ownership.pml; two ways to tell it.
 *
 * A write, once sent, may reach any replica at any later time, or never: a timeout is not waiting for it. Nobody
 * but a reader sees an arrival, so what arrived is chosen when someone reads. Which two replicas a quorum has is of
 * no matter once it has them: every quorum read sees what they hold. So each datum is in one of three states: never
 * sent (no read sees it), sent (a read may see it or not, row by row: a half-copied batch), and known at a quorum.
 *
 * By default no more is kept than that, which allows all that three replicas can show, and a little that they can't:
 * two rows on a replica each, and a read that sees neither. So a proof holds for three replicas. THREE_REPLICAS
 * keeps each replica's own set instead, so a counter-example is one that three replicas can show.
 */

#define ROWS            (SEQS * FENCES)
#define ROW(s, f)       (((s) - 1) * FENCES + (f) - 1)

byte value[ROWS];       /* of row (seq, fence): the fence under which its bytes were first appended */
byte cAt[ROWS];         /* `c` of the row: the committed seq when it was written */
int  sent;              /* the set of rows that were sent */

byte start[FENCES + 1]; /* of the floor (fence, start); 0: never sent. TIMESTAMP = fence: the highest fence wins */
byte dead;              /* the set of nodes whose death is decided (Paxos), committed or not */

/* Scratch, zero between steps. */
byte i; byte s; byte f;
int  x; int y;
int  sight;             /* the rows that a read has seen */

#ifdef THREE_REPLICAS

int  rows[3];           /* per replica: the set of rows */
byte floors[3];         /* per replica: the fence of its floor */
byte deaths[3];         /* per replica: the set of nodes that its lease rows call dead */
byte a; byte b;         /* scratch: the two replicas that a read asks */

inline askTwo() {
  if
  :: a = 0; b = 1
  :: a = 0; b = 2
  :: a = 1; b = 2
  fi
}

/* What is on its way may come to the two that are asked, row by row. */
inline readRows() {
  askTwo();
  x = sent & ~(rows[a] | rows[b]);
  do
  :: x != 0 ->
     d_step { y = x & (-x); x = x & ~y }
     if
     :: true
     :: rows[a] = rows[a] | y
     :: rows[b] = rows[b] | y
     :: rows[a] = rows[a] | y; rows[b] = rows[b] | y
     fi
  :: else -> break
  od;
  sight = rows[a] | rows[b]
}

inline readFloor(into) {
  askTwo();
  i = (floors[a] > floors[b] -> floors[a] : floors[b]) + 1;
  do
  :: i <= FENCES ->
     if
     :: start[i] > 0 ->
        if
        :: true
        :: floors[a] = i
        :: floors[b] = i
        :: floors[a] = i; floors[b] = i
        fi
     :: else
     fi;
     i++
  :: else -> break
  od;
  into = (floors[a] > floors[b] -> floors[a] : floors[b])
}

/* Whether a quorum read of the lease row sees a death; who looks at its own needs no memory of it. */
inline readDeath(node, saw) {
  askTwo();
  if
  :: (deaths[a] | deaths[b]) & (1 << node) -> saw = 1
  :: !((deaths[a] | deaths[b]) & (1 << node)) ->
     if
     :: true
     :: dead & (1 << node) -> saw = 1; deaths[a] = deaths[a] | (1 << node)
     fi
  fi
}

#define ROWS_COMMITTED(set)     rows[0] = rows[0] | (set); rows[1] = rows[1] | (set)
#define FLOOR_COMMITTED(fence_) floors[0] = (floors[0] < fence_ -> fence_ : floors[0]); \
                                floors[1] = (floors[1] < fence_ -> fence_ : floors[1])
#define DEATH_COMMITTED(node)   deaths[0] = deaths[0] | (1 << node); deaths[1] = deaths[1] | (1 << node)
#define DEATH_AT_ONE(node)      if \
                                :: deaths[0] = deaths[0] | (1 << node) \
                                :: deaths[1] = deaths[1] | (1 << node) \
                                :: deaths[2] = deaths[2] | (1 << node) \
                                fi

#define KEY(r)          ((rows[r] << 6) + (floors[r] << 3) + deaths[r])

inline swapReplicas(p, q) {
  if
  :: KEY(p) < KEY(q) ->
     x = rows[p]; rows[p] = rows[q]; rows[q] = x;
     x = floors[p]; floors[p] = floors[q]; floors[q] = x;
     x = deaths[p]; deaths[p] = deaths[q]; deaths[q] = x
  :: else
  fi
}

/* The end of a step: what two have is as good as on all, and replicas have no names, so they are sorted. */
inline tidy() {
  d_step {
    x = (rows[0] & rows[1]) | (rows[0] & rows[2]) | (rows[1] & rows[2]);
    rows[0] = rows[0] | x; rows[1] = rows[1] | x; rows[2] = rows[2] | x;
    x = (deaths[0] & deaths[1]) | (deaths[0] & deaths[2]) | (deaths[1] & deaths[2]);
    deaths[0] = deaths[0] | x; deaths[1] = deaths[1] | x; deaths[2] = deaths[2] | x;
    if
    :: floors[0] <= floors[1] && floors[0] <= floors[2] ->
       floors[0] = (floors[1] < floors[2] -> floors[1] : floors[2])
    :: else ->
       if
       :: floors[1] <= floors[0] && floors[1] <= floors[2] ->
          floors[1] = (floors[0] < floors[2] -> floors[0] : floors[2])
       :: else -> floors[2] = (floors[0] < floors[1] -> floors[0] : floors[1])
       fi
    fi;
    swapReplicas(0, 1); swapReplicas(1, 2); swapReplicas(0, 1);
    a = 0; b = 0; CLEAR_SCRATCH
  }
}

#else

int  atQuorum;          /* the set of rows known at a quorum */
byte floorAtQuorum;     /* the fence of the highest floor known at a quorum; 0: none */
byte deadAtQuorum;      /* the set of nodes whose death is known at a quorum */

inline readRows() {
  d_step { sight = atQuorum; x = sent & ~atQuorum }
  do
  :: x != 0 ->
     d_step { y = x & (-x); x = x & ~y }
     if
     :: true
     :: sight = sight | y
     fi
  :: else -> break
  od;
  skip  /* a loop may not end right before a d_step */
}

inline readFloor(into) {
  if
  :: into = floorAtQuorum
  :: floorAtQuorum < 1 && start[1] > 0 -> into = 1
  :: floorAtQuorum < 2 && start[2] > 0 -> into = 2
#if FENCES > 2
  :: floorAtQuorum < 3 && start[3] > 0 -> into = 3
#endif
#if FENCES > 3
  :: floorAtQuorum < 4 && start[4] > 0 -> into = 4
#endif
#if FENCES > 4
  :: floorAtQuorum < 5 && start[5] > 0 -> into = 5
#endif
#if FENCES > 5
  :: floorAtQuorum < 6 && start[6] > 0 -> into = 6
#endif
  fi
}

inline readDeath(node, saw) {
  if
  :: !(deadAtQuorum & (1 << node))
  :: dead & (1 << node) -> saw = 1
  fi
}

#define ROWS_COMMITTED(set)     atQuorum = atQuorum | (set)
#define FLOOR_COMMITTED(fence_) floorAtQuorum = (floorAtQuorum < fence_ -> fence_ : floorAtQuorum)
#define DEATH_COMMITTED(node)   deadAtQuorum = deadAtQuorum | (1 << node)
#define DEATH_AT_ONE(node)      skip

inline tidy() { d_step { CLEAR_SCRATCH } }

#endif
